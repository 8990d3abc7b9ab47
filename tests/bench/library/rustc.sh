#!/bin/bash
# Gives lvs-agent, and none of its libraries, the entry points of src/benchmarking.rs.
set -eu
compiler=$1
shift
case " $* " in
*' --crate-name lvs_agent '*) exec "$compiler" "$@" --cfg benchmarking ;;
*) exec "$compiler" "$@" ;;
esac
