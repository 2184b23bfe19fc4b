"""Compile CUDA sources with the compiler that CuPy uses, which needs no GPU: JSON on standard input and output.

In: a list of [file, text, options]. Out: for each what the compiler said, nothing where it was content.
"""

import json
import sys

from cupy_backends.cuda.libs import nvrtc


def log_of(name: str, text: str, options: list[str]) -> str:
    """What NVRTC says of a source."""
    program = nvrtc.createProgram(text, name, (), ())
    try:
        try:
            nvrtc.compileProgram(program, tuple(options))
        except nvrtc.NVRTCError as error:
            return str(nvrtc.getProgramLog(program)) or str(error)
        return str(nvrtc.getProgramLog(program)).strip()
    finally:
        nvrtc.destroyProgram(program)


if __name__ == "__main__":
    print(json.dumps([log_of(*source) for source in json.load(sys.stdin)]))
