"""``python -m softcpt grid GRID.yaml``: methods x data x backbones x shots x seeds, run wherever
there is room.

    grid_file.py  the grid file
    methods.py    a method's name -> the trainer, and the settings that make it that method
    jobs.py       the grid file's jobs: each is a command of train.py with a folder of its own
    launch.py     the file that says which jobs the workers of one command take
    state.py      what is known of a job from its folder alone: done, running, failed or left
    worker.py     a process that runs jobs, one after the other, until there is none to take
    on_this_machine.py, on_ray.py, on_slurm.py    where workers are started
    watch.py      starts workers, replaces those that die, and shows what the folders say
    fairness.py   which settings all jobs share, before and after
    estimate.py, overview.py    the time left; tables

Workers and the command (softcpt/cli/grid.py) share nothing but the disk. A worker takes a job by
its lock, which the system frees when the worker dies; so workers may be killed at any time, and
several grids may work on the same output.
"""
