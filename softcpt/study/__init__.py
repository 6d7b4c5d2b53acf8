"""Which tasks help which: the transferability study of MVLPT (Shen et al. 2022, arXiv 2211.11720),
as a grid of runs.

spec -> plan (jobs of a grid) -> matrix (what they reached) -> groups (suggested from it, and
trained), similarity, plots, report; cli is the command ``python -m softcpt transfer``.
"""
