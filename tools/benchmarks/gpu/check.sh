#!/usr/bin/env bash
# check.sh [TREE]: measures decoding on a GPU. TREE is a copy of the package (default: ./tree beside this file, else $PWD).
# Parts run one after another, each with its own limit, so that a failing one costs no other. Whole: under 5 minutes (limits 300 s together). PARTS="compiled" adds the old torch.compile baseline.
HERE=$(cd "$(dirname "$0")" && pwd)
TREE=${1:-$([ -d "$HERE/tree" ] && echo "$HERE/tree" || pwd)}
export PYTHONPATH=$TREE:$HERE:$PYTHONPATH PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TRITON_CACHE_DIR=triton-cache
OUT=${OUT:-gpu-out}; mkdir -p "$OUT"; cd "$HERE"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null; python3 -c "import torch, triton; print(torch.__version__, triton.__version__)"
part() { name=$1; limit=$2; shift 2; echo "== $name"; s=$SECONDS; timeout "$limit" "$@" 2>&1 | tee "$OUT/$name.txt" | grep -v Warning | tail -${LINES_SHOWN:-60}; echo "== $name: $((SECONDS - s)) s"; }
for p in ${PARTS:-correct speed pytest sweep}; do case $p in
  correct) part correct 80 python3 correct.py ;;
  speed) part speed 90 python3 speed.py fused fused-late graph ;;
  sweep) part sweep 60 python3 sweep.py ;;
  pytest) part pytest 70 python3 -m pytest -q -p no:cacheprovider -m gpu "$TREE/tests/test_gpu.py" --rootdir "$TREE" ;;
  compiled) part compiled 90 python3 speed.py compiled ;;
esac; done
