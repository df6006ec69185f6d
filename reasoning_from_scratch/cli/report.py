"""Write a page about training runs: curves, warnings, samples over time.

    rfs report reasoner
    rfs report runs/reasoner runs/other --output comparison.html

One HTML file that opens without a network, also of a run still under way.
Its slider shows, at a step, what was sampled and which tokens the update made
more or less likely; two runs with one setting changed stand side by side.
"""

from pathlib import Path

from ..files import atomic_write_text
from ..runs import runs_root
from ..training.diagnosis import diagnose
from ..training.report import read_runs, render_report

FLAGS = """
runs RUN+        a run's name or folder
--output FILE    the page (default: report.html in the folder of the one run,
                 or in the folder of all runs)
"""


def run(args) -> None:
    """Write the page, and repeat its warnings."""
    runs = read_runs(args.runs)
    folder = runs[0].path if len(runs) == 1 else runs_root()
    output = Path(args.output or folder / "report.html")
    atomic_write_text(output, render_report(runs))
    for each in runs:
        findings = diagnose(each.rows)
        told = ", ".join(finding.title for finding in findings)
        print(f"{each.name}: {each.state}; {told or 'nothing to warn of'}")
    print(f"page: {output}")
