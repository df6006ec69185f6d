"""Several processes, one gradient: the little that training knows of ranks.

Under `torchrun` every process holds the whole model and a share of the
prompts; losses are normalised over the global batch, so gradients add up,
where `DistributedDataParallel` would average them.
"""

import contextlib
import os

import torch
import torch.distributed as dist

from reasoning_from_scratch.runs import RunFolder

# Gradients are added on the GPU, rewards, counts and norms on the CPU
GPU_BACKENDS = "cpu:gloo,cuda:nccl"


def start_processes():
    """Join the processes that `torchrun` started; one alone joins nobody."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = GPU_BACKENDS
    dist.init_process_group(backend)


def open_run(name, config, **options):
    """`RunFolder.create` by the first process, opened by the others."""
    run = None
    if process_rank() == 0:
        run = RunFolder.create(name, config, **options)
    if num_processes() == 1:
        return run
    path = [None if run is None else str(run.path)]
    dist.broadcast_object_list(path)
    return RunFolder.open(path[0])


def num_processes():
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def process_rank():
    """This process's number; 0 is the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextlib.contextmanager
def one_at_a_time():
    """Run the block in each process after the one before has left it."""
    for _ in range(process_rank()):
        dist.barrier()
    yield
    for _ in range(num_processes() - 1 - process_rank()):
        dist.barrier()


def share_of(items):
    """This process's part of a list that divides evenly."""
    size, rest = divmod(len(items), num_processes())
    if rest:
        raise ValueError(
            f"{len(items)} prompts a step do not divide among "
            f"{num_processes()} processes; choose a multiple"
        )
    return items[process_rank() * size :][:size]


def sum_over_processes(tensor):
    """The sum of every process's tensor, on each of them."""
    if num_processes() > 1:
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor


def gather_rows(tensor):
    """All processes' tensors stacked along dimension 0, by rank."""
    if num_processes() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(num_processes())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def sum_gradients(parameters):
    """Add up the gradients of all processes; one without takes zeros."""
    if num_processes() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
