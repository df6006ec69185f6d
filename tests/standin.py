"""A second device for machines that have none: "mps" by name, CPU by nature.

A tensor made there is an ordinary one of another class, so every number is
the CPU's, bit for bit. A torch function mode does what a device would: it
refuses tensors of two devices in one call, NumPy's view, a generator of the
CPU, float64, which MPS does not have, and shifted bits of int64, which some
versions of it got wrong. It can also note the place and go on, so that one
run of a notebook finds them all.
"""

import contextlib
import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("mps")
DOUBLES = (torch.float64, torch.complex128)
# These bring their operands to one device themselves
CROSSING = {"copy_", "to", "cpu", "mps", "type_as", "__set__"}
CROSSING.add("_has_compatible_shallow_copy_type")
JOINING = {"cat", "stack", "hstack", "vstack"}  # not even one number
NUMPY = {"numpy", "__array__"}
SHIFTS = {"__lshift__", "__rshift__", "__rlshift__", "__rrshift__"}
OUTSIDE = (str(Path(torch.__file__).parent), __file__)


class Away(torch.Tensor):
    """A tensor on the stand-in device."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def device(self):
        return torch.device(DEVICE.type, 0)  # as real ones: with an index


class StandIn(TorchFunctionMode):
    """While it is on, `device="mps"` works; what would fail there raises.

    With `notes`, a list, each such place is added to it instead.
    """

    def __init__(self, notes=None):
        super().__init__()
        self.notes = notes
        self.num_cells = 0  # begun since, in a notebook

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.__name__
        if name == "__get__":  # x.grad, x.shape …: a tensor is where x is
            result = func(*args)
            if isinstance(args[0], Away) and isinstance(result, torch.Tensor):
                result.__class__ = Away
            return result
        if name in SPECIAL and isinstance(args[0], Away):
            return SPECIAL[name](*args)
        tensors = _tensors(args) + _tensors(kwargs.values())
        are_away = [isinstance(tensor, Away) for tensor in tensors]
        is_away = True in are_away
        target, args, kwargs = _target(name, args, kwargs)
        is_mixed = is_away and (False in are_away or name in NUMPY)
        # In a backward pass autograd's own tensors have lost their class
        is_backward = torch._C._current_graph_task_id() != -1
        if is_mixed and name not in CROSSING and not is_backward:
            self.check(name, args, tensors)
        if target == DEVICE.type or is_away:
            if kwargs.get("generator") is not None:
                self.refuse(name, "the generator is the CPU's")
            if name in SHIFTS and tensors[0].dtype == torch.int64:
                self.refuse(name, "bits of int64 are shifted on the CPU")
        if name == "__set__":  # x.data = …, x.grad = …
            return _set_attribute(func, *args)
        result = func(*args, **kwargs)
        if target is None and is_away:
            is_list = name == "tensor" and not isinstance(args[0], Away)
            target = "cpu" if is_list or name in NUMPY else DEVICE.type
        return self.place(result, target, tensors)

    def check(self, name, args, tensors):
        """Refuse tensors of two devices, and NumPy's look at this one."""
        if name in NUMPY:
            self.refuse(name, "NumPy cannot read this device; .cpu() first")
        is_in_place = name.endswith("_") or name.startswith("__i")
        for tensor in _strangers(name, args, tensors):
            if isinstance(tensor, Away) or tensor.device.type == "meta":
                continue
            is_target = is_in_place and tensor is args[0]
            if tensor.dim() or name in JOINING or is_target:
                return self.refuse(name, "one of its tensors is on the CPU")
        return None

    def place(self, result, target, inputs):
        """Make the tensors that a call gave the device's, or the CPU's."""
        if target is None:
            return result
        is_there = target == DEVICE.type
        is_other = isinstance(result, Away) != is_there
        if is_other and any(result is tensor for tensor in inputs):
            result = result.clone()  # a copy on another device
        for tensor in _tensors((result,)):
            if not is_there:
                if isinstance(tensor, Away):
                    tensor.__class__ = torch.Tensor
                continue
            if tensor.dtype in DOUBLES:
                self.refuse("result", f"MPS has no {tensor.dtype}")
            if not isinstance(tensor, Away) and tensor.device.type == "cpu":
                tensor.__class__ = Away
        return result

    def refuse(self, name, reason):
        """Raise, or note, with the place of the call outside torch."""
        frame = sys._getframe()
        while frame.f_back and frame.f_code.co_filename.startswith(OUTSIDE):
            frame = frame.f_back
        where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        message = f"{where}: {name}: {reason}"
        if self.notes is None:
            raise RuntimeError(message)
        note = [self.num_cells - 1, message]
        if note not in self.notes:
            self.notes.append(note)


@contextlib.contextmanager
def on_the_stand_in(notes=None):
    """Make the stand-in the best device there is, for a while."""
    from reasoning_from_scratch import device

    mode = StandIn(notes)
    run_backward = torch.autograd._engine_run_backward

    def run_there(*args, **kwargs):
        with mode:  # a handler is without it, what it calls back is not
            return run_backward(*args, **kwargs)

    with (
        patch.object(device, "_is_available", lambda kind: kind == "mps"),
        patch.object(torch.mps, "recommended_max_memory", lambda: 2**33),
        patch.object(torch.autograd, "_engine_run_backward", run_there),
        mode,
    ):
        yield mode


def _tensors(values):
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):  # noqa: UP038 (hot)
            found += _tensors(value)
    return found


def _target(name, args, kwargs):
    """The device type that a call names, else None, and a call without it."""
    if name in ("cpu", "mps", "cuda"):
        return name, args[:1], {}
    asked = kwargs.get("device")
    if name in ("to", "type_as") and len(args) > 1:
        other = args[1]
        if isinstance(other, torch.Tensor):
            return other.device.type, args, kwargs
        if isinstance(other, str | torch.device):
            asked, args = other, (args[0], "cpu", *args[2:])
    if asked is None:
        return None, args, kwargs
    kind = torch.device(asked).type
    if kind == DEVICE.type and "device" in kwargs:
        kwargs = {**kwargs, "device": "cpu"}
    return kind, args, kwargs


def _strangers(name, args, tensors):
    """The tensors of a call that must be on one device."""
    if not name.endswith("etitem__") or not isinstance(args[0], Away):
        return tensors
    # An index may be on the CPU; what a tensor of indices places may not
    return _tensors(args[2:]) if _tensors((args[1],)) else []


def _set_attribute(func, owner, value):
    """x.data = …: with the data the tensor moves to their device."""
    result = func(owner, value)
    if isinstance(value, torch.Tensor):
        is_parameter = isinstance(owner, torch.nn.Parameter)
        if isinstance(value, Away):
            owner.__class__, owner._is_param = Away, is_parameter
        elif isinstance(owner, Away):
            kind = torch.nn.Parameter if is_parameter else torch.Tensor
            owner.__class__ = kind
    return result


def _deep_copy(tensor, memo):
    new = tensor.detach().clone()
    new.__class__ = Away
    new.__dict__.update(tensor.__dict__)
    memo[id(tensor)] = new.requires_grad_(tensor.requires_grad)
    return new


SPECIAL = {
    "__deepcopy__": _deep_copy,
    "__format__": lambda tensor, *args: tensor.detach().__format__(*args),
}


def watch_a_notebook():
    """Run the cells after this one on the stand-in -> its notes.

    A note is a cell's number among those that hold code, from 0, and a text.
    """
    shell = sys.modules["IPython"].get_ipython()
    context = on_the_stand_in(notes := [])
    mode = context.__enter__()
    mode.context = context  # collected, it would be left

    def count(*_):
        mode.num_cells += 1

    shell.events.register("pre_run_cell", count)
    return notes
