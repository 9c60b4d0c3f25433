"""Serves a GGUF file with llama.cpp's server on a free loopback port until standard input ends.

Arguments: the folder that holds xllamacpp, the GGUF file. The last line of standard output is the address.
"""

import sys

sys.path.insert(0, sys.argv[1])

import xllamacpp  # noqa: E402

params = xllamacpp.CommonParams()
params.model.path = sys.argv[2]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_parallel = 4
params.n_ctx = 4 * 2048
# Threads that wait for each other crawl where other programs want the cores, too.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
# The end of the parent closes the pipe, however it ends.
sys.stdin.read()
