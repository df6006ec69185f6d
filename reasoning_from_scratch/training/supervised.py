"""One update of a student on a batch of examples.

    loss = 1/N sum over the batch's completion tokens of
           - log p_S(token), or a divergence of p_T and p_S

N counts the tokens of the whole batch, in however many micro-batches it is
computed, so their gradients add up to that of the batch in one piece.
"""

from reasoning_from_scratch.llm.logprobs import hidden_logprobs

from .sft_data import count_learned_tokens, micro_batches
from .soft_targets import learned_hidden
from .update import checkpointed_layers


def gradient_step(model, optimizer, examples, loss, *, config, learning_rate):
    """Learn from one batch, by micro-batches of examples of like length.

    Args:
        model: the student, changed in place.
        optimizer: a `MasterAdamW` over its parameters.
        examples: list of `Example`, the whole batch.
        loss: callable (model, hidden, batch) -> scalar, a sum over the
            learned tokens, of which `hidden` are the final states.
        config: gives micro_batch_tokens and activation_checkpointing.
        learning_rate: of this update.

    Returns:
        dict: loss in nats a token, grad_norm, learning_rate, num_tokens.
    """
    num_tokens = count_learned_tokens(examples)
    total = 0.0
    batches = micro_batches(
        examples, config.micro_batch_tokens, device=model.device
    )
    with checkpointed_layers(model, config.activation_checkpointing):
        for batch in batches:
            hidden = learned_hidden(model, batch)
            share = loss(model, hidden, batch) / num_tokens
            share.backward()
            total += float(share.detach())
    return {
        "loss": total,
        "grad_norm": optimizer.step(learning_rate),
        "learning_rate": learning_rate,
        "num_tokens": num_tokens,
    }


def hard_loss(model, hidden, batch):
    """Minus the log-probability of the learned tokens, summed."""
    logprobs, _ = hidden_logprobs(model, hidden, batch.targets)
    return -logprobs.sum()
