#!python
"""The name that scripts of redis-trib.py call: the program that is installed beside this file."""
import os
import sys

program = os.path.join(os.path.dirname(os.path.realpath(__file__)), "redis-trib")
os.execv(program, [program] + sys.argv[1:])
