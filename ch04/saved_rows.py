"""The measured rows of results/, as the chapter's notebooks print them."""

from reasoning_from_scratch.results import is_measured, results_of

SAVED = results_of()


def show_rows(*names):
    """Print rows: accuracy, interval, tokens, and the paired difference."""
    for name in names:
        row = SAVED[name]
        print(f"{row['model']}, {row['method']}")
        if not is_measured(row):
            print(f"    not measured: {row['reason']}")
            continue
        low, high = 100 * row["low"], 100 * row["high"]
        print(f"    {100 * row['accuracy']:.1f} %", end=" ")
        print(f"({low:.1f} to {high:.1f}),", end=" ")
        print(f"{row['mean_tokens']:,.0f} tokens")
        if "difference" in row:
            low, high = (100 * row[f"difference_{x}"] for x in ("low", "high"))
            other = SAVED[row["over"]]["method"]
            print(f"    {100 * row['difference']:+.1f} points", end=" ")
            print(f"({low:+.1f} to {high:+.1f}) over {other}")
