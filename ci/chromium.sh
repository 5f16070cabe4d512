# Source this file after ci/debian-rust.sh and ci/scratch.sh. Installs chromium, chromium-driver
# and Python if they are missing, and selenium into a scratch directory. `drive SCRIPT
# ARGUMENTS...` runs a script of ci/browser with it.

command -v chromium >/dev/null || need_packages chromium
command -v chromedriver >/dev/null || need_packages chromium-driver
command -v python3 >/dev/null || need_packages python3
python3 -c 'import venv, ensurepip' 2>/dev/null || need_packages python3-venv
python3 -m venv "$scratch/python"
in_some_tries "$scratch/python/bin/pip" --quiet --disable-pip-version-check install 'selenium>=4.20,<5' >"$scratch/pip.log" 2>&1 ||
    fail 'the package selenium could not be installed'

drive() {
    timeout 900 "$scratch/python/bin/python" "ci/browser/$1" "${@:2}" >"$scratch/drive.log" 2>&1 || fail 'the page has failed'
    cat "$scratch/drive.log"
}
