"""A decoding step recorded once and replayed with a single launch.

One step of a small model is more than a thousand short kernels, and a GPU
that is handed them one by one mostly waits for the next. A CUDA graph holds
them all. It reads and writes fixed addresses, so the step needs a static
cache and a token tensor of its own; a batch of another shape is recorded
anew, which takes two steps' time.

Source: the CUDA programming guide, "CUDA Graphs".
"""

import functools

import torch


class GraphedStep:
    """The step of one batch: `replay` reads a token a row.

    Args:
        run: callable (token_ids, cache, key_mask, last_only), the model or
            its compiled forward pass.
        cache: a static `KVCache`; its buffers are those recorded.
        key_mask: (batch, max_tokens) bool, its columns marked by the caller.
    """

    def __init__(self, run, cache, key_mask):
        device = key_mask.device
        self.buffers = cache.keys[0]
        self.token_ids = torch.zeros(
            cache.batch_size, 1, dtype=torch.long, device=device
        )
        length = cache.next_column.clone()

        def step():
            return run(self.token_ids, cache, key_mask, last_only=True)

        with torch.cuda.device(device):
            # Once beforehand: compiles, and libraries take their workspace
            stream = _side_stream(device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                step()
                cache.next_column.copy_(length)
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):  # recorded, not carried out
                self.logits = step()

    def belongs_to(self, cache):
        """Whether it was recorded with these very buffers."""
        return self.buffers is cache.keys[0]

    def replay(self, token_ids):
        """Read (batch, 1) tokens -> logits (batch, 1, vocab).

        The logits are overwritten by the next call.
        """
        self.token_ids.copy_(token_ids)
        self.graph.replay()
        return self.logits


@functools.cache
def _side_stream(device):
    """The stream to warm up on: libraries keep 32 MB for each one they see."""
    return torch.cuda.Stream(device)
