# Shared by the launchers beside it: finds the project and Deno. To be sourced, with bash.
set -euo pipefail

root=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." && pwd -P)
export DENO_NO_UPDATE_CHECK=1

# Deno from PATH, else the npm package of it.
if command -v deno >/dev/null 2>&1; then
  deno=(deno)
else
  deno=(npx -y deno@2.9.6)
fi

# What commander and the tools look at.
tool_environment=KAVKA_BOOTSTRAP,NO_COLOR,FORCE_COLOR,CLICOLOR_FORCE

# run_deno PERMISSION… -- FILE ARGUMENT…: becomes that program.
run_deno() {
  local permissions=()
  while [ "$1" != -- ]; do
    permissions+=("$1")
    shift
  done
  shift
  local file=$1
  shift
  exec "${deno[@]}" run --no-prompt --config "$root/deno.json" "${permissions[@]}" "$root/$file" "$@"
}
