"""Which tasks help which: the transferability study of MVLPT (Shen et al. 2022, arXiv 2211.11720),
as a grid of runs.

    study_file.py     the study file
    study_jobs.py     its jobs: every task alone, every pair, and groups of tasks
    matrix.py         what pairs gained
    affinities.py     what each task's gradient did to the others' losses
    earlier.py        an earlier study's pairs, to compare with
    task_groups.py, suggestions.py    which tasks to train together, suggested from that
    similarity.py     how alike tasks are
    findings.py       the report; *_section.py, figure.py, study_tables.py: its parts

The command ``python -m softcpt transfer`` is softcpt/cli/transfer.py.
"""
