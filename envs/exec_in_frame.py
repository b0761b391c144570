"""Let exec in a function write to its locals(), as it did before Python 3.13.

setup.py of mmcv reads its version that way. envs/setup.sh makes this the sitecustomize
of that build, and of nothing else.
"""

import builtins
import sys


def exec_in_frame(source, globals=None, locals=None, /, **options):
    caller = sys._getframe(1)
    if globals is None:
        globals = caller.f_globals
        locals = caller.f_locals if locals is None else locals
    return plain_exec(source, globals, locals, **options)


plain_exec, builtins.exec = exec, exec_in_frame
