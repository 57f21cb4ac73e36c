#!/usr/bin/env bash
# Usage: tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Without a GPU, GPUS is the number of processes on the CPU (gloo).
# NNODES, NODE_RANK, MASTER_ADDR and PORT serve several machines.
set -euo pipefail
CONFIG=$1
GPUS=$2
shift 2
# torchrun and MMEngine would set one thread a process too, with a warning.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
