"""The kernels in CUDA C++, compiled for the GPU at hand when they are first used: the same names as in NumPy.

Each family has its source, ``*.cu``, and beside it the launchers that call it; `launchers` gathers those, and needs
CuPy. What is not there is the NumPy kernel of the same name, which runs on CuPy's arrays by NumPy's own protocols. Each
module points at its plain twin. `emulate` runs the sources on the CPU and needs neither CuPy nor a GPU.
"""
