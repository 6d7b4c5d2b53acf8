"""Which tasks help which: the transferability study of MVLPT (Shen et al. 2022, arXiv 2211.11720),
as a grid of runs.

    study_file.py     the study file
    study_jobs.py     its jobs: every task alone, every pair, and groups of tasks
    matrix.py         what pairs gained
    task_groups.py    which tasks to train together, suggested from that
    similarity.py     how alike tasks are
    findings.py, figure.py    the report

The command ``python -m softcpt transfer`` is softcpt/cli/transfer.py.
"""
