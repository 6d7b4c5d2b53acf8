"""From finished runs to tables, statistics, plots and one page: ``softcpt report OUT...``.

    collect.py           files below folders -> figures of runs (run_result.py), which
                         results_json.py and log_txt.py (of the CoOp family) read
    groups.py            only runs under the same settings stand together
    variants.py          names that tell settings of one method apart
    build_benchmarks.py  a group -> benchmarks (benchmark.py): method x shots x seed x task
    statistics.py        means, intervals, paired tests, ranks
    comparisons.py       all pairs of a benchmark's methods; relations.py: how alike tasks are
    *_tables.py          few-shot, per-task, base/new, comparison and cost tables (table.py)
    published.py         the papers' rows, to stand beside
    sections.py          Report and Section: all of the above
    formats.py           a table as Markdown, LaTeX, CSV
    plots.py             figures by matplotlib, with curve_plots.py and plot_frame.py;
                         method_styles.py: colours and markers
    markdown_page.py, html_page.py (with static/), write.py: the report on disk

Nothing here imports torch: a report over a thousand runs takes seconds.
"""
