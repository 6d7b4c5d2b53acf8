"""``python -m softcpt report OUT...``: from finished runs to tables, statistics, plots and one page
to explore.

    collect.py      files below folders -> results (resultsfile.py: results.json, logfile.py: log.txt of the CoOp family)
    groups.py       only runs under the same settings stand together; variants.py tells settings of one method apart
    benchmark.py    method x shots x seed x task of one group
    statistics.py   means, intervals, paired tests, ranks; comparisons.py applies them to a benchmark
    tables.py       few-shot, per-task, base/new, comparison and cost tables; published.py sets the papers' rows beside
    formats.py      a table as Markdown, LaTeX, CSV; plots.py: figures; page.py: the HTML page
    report.py       all of it, written into a folder

Nothing here imports torch: a report over a thousand runs takes seconds.
"""
