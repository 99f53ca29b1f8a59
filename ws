#!/usr/bin/env bash
# One door to the workspace: sets up what a command needs, builds, runs it. `./ws help` lists the commands.
set -euo pipefail
ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly ROOT

usage() {
    cat <<'TEXT'
./ws COMMAND            everything is set up and built on first use
  demo [left_hand:=HAND right_hand:=HAND task:=TASK seconds:=N] [--json FILE]
                        the simulated dual-arm station with the shipped models; video, report and bag in out/
  test [--fast|--graph|--system] [PACKAGE...]
                        all tests of all or some packages, or one tier of them: fast (the cores alone, under two
                        minutes), graph (nodes, processes, devices, training), system (whole graphs)
  bench codec|policy|runtime|faults|soak|fuzz [--json FILE] [--markdown FILE]
                        measure; print tables, also into a page; --help for more
  train codec|policy [--config FILE]
                        train, evaluate and export a bundle into models/ (the space of another configuration:
                        out/codec/NAME); an interrupted run resumes
  add-hand --urdf FILE --name NAME --tips thumb=LINK index=LINK...
                        a new hand in the shipped latent space, nothing else retrained; --help for more
  record [left_hand:=HAND ...]
                        record a running graph, started with the same arguments, until Ctrl-C
  inspect BAG... [--repair], convert BAG... --out DIR [--describe FILE]
                        look into bags, turn them into a training dataset
  run PACKAGE EXECUTABLE [--ros-args ...]
                        any node or tool of the workspace
  docs                  build the documentation as a site in out/docs
  shell                 a shell in which the workspace is sourced
  setup [runtime|train|dev|gpu]
                        only set up and build; gpu: the policy may then run on an NVIDIA GPU
Python 3.10-3.13 is all it needs: ROS 2 Jazzy comes from pip, unless a ROS 2 is sourced; then that one is used.
TEXT
}

say() { printf '\033[2mws: %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# --- long steps -------------------------------------------------------------------------------------------------------

# Runs a command in a process group of its own and ends the whole group when ws is interrupted or terminated.
run_group() {
    local child status=0
    set -m
    "$@" </dev/null &
    child=$!
    set +m
    trap 'stop_group "$child"; exit 130' INT
    trap 'stop_group "$child"; exit 143' TERM HUP
    wait "$child" || status=$?
    trap - INT TERM HUP
    return "$status"
}

stop_group() {
    local signal
    for signal in INT TERM KILL; do
        kill "-$signal" -- "-$1" 2>/dev/null || return 0
        for _ in {1..30}; do
            kill -0 -- "-$1" 2>/dev/null || return 0
            sleep 0.1
        done
    done
}

# A quiet step: its output goes to a log file and is shown only if it fails.
step() {
    local log=$1 title=$2
    shift 2
    { mkdir -p "$(dirname "$log")" && : >"$log"; } 2>/dev/null ||
        die "$log: found no way to write it, expected a folder with room"
    say "$title"
    run_group "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        die "$title: failed (whole output in $log)"
    }
}

require_writable() {
    [[ -w $ROOT ]] || die "$ROOT: found a folder that cannot be written, expected one that can, to set the workspace up in"
}

hash_of() { sha256sum | cut -d ' ' -f 1; }
stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# --- which ROS 2, which Python ----------------------------------------------------------------------------------------

# Sets ON_ROS (a sourced ROS 2 works), VENV, LOCKS.
choose_environment() {
    ON_ROS="" VENV=$ROOT/.venv LOCKS=$ROOT/requirements
    [[ -n ${ROS_DISTRO:-} ]] || return 0
    if python3 -c 'import rclpy' 2>/dev/null; then
        ON_ROS=$ROS_DISTRO VENV=$ROOT/.venv-$ROS_DISTRO LOCKS=$ROOT/requirements/on-ros
    else
        say "ROS 2 $ROS_DISTRO is sourced, but $(command -v python3) cannot import rclpy: using ROS 2 from pip"
    fi
}

python_fits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# A distribution's, or built with profile-guided optimization; pyenv and a plain ./configure build without it.
python_is_optimized() {
    "$1" -c 'import sys, sysconfig
found = sysconfig.get_config_var("CONFIG_ARGS") or ""
sys.exit(sys.base_prefix != "/usr" and "--enable-optimizations" not in found)'
}

# The first that fits; the system's own before one that is not optimized, which runs every node slower.
find_python() {
    local python found="" system=/usr/bin/python3
    for python in ${CROSSHAND_PYTHON:-python3 python3.12 python3.11 python3.13 python3.10}; do
        python_fits "$python" && found=$(command -v "$python") && break
    done
    [[ $found ]] || die "no Python 3.10-3.13 with venv found (looked for" \
        "${CROSSHAND_PYTHON:-python3, python3.10 to python3.13}): sudo apt install python3 python3-venv"
    if [[ -z ${CROSSHAND_PYTHON:-} ]] && ! python_is_optimized "$found" && python_fits "$system"; then
        found=$system
    fi
    echo "$found"
}

make_venv() {
    local python options=()
    [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -c 'import pip' 2>/dev/null && return
    if [[ $ON_ROS ]]; then
        python=$(command -v python3) options=(--system-site-packages)
        "$python" -c 'import venv, ensurepip' 2>/dev/null || die "Python has no venv: sudo apt install python3-venv"
    else
        [[ $(uname -m) == x86_64 ]] || die "ROS 2 from pip is for x86_64: install ROS 2 and source it first"
        python=$(find_python)
    fi
    rm -rf "$VENV"
    step "$ROOT/log/venv.log" "making ${VENV##*/} with $python" "$python" -m venv "${options[@]}" "$VENV"
}

# --- packages ---------------------------------------------------------------------------------------------------------

pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@"; }

# The locked packages of a level; the lock is complete, so pip resolves nothing.
install_level() {
    local level=$1 lock=$LOCKS/$1.txt stamp=$VENV/.ws-$1 want
    want=$(cat "$lock" "$ROOT/requirements/torch.txt" | hash_of)
    stamped "$stamp" "$want" && return
    require_writable
    make_venv
    [[ $level != gpu ]] || "$VENV/bin/python" -m pip uninstall --quiet --yes onnxruntime
    step "$ROOT/log/pip-$level.log" "installing ${lock#"$ROOT"/}" pip_install --no-deps --require-hashes -r "$lock"
    [[ $level != train ]] || install_torch
    echo "$want" >"$stamp"
}

# The CPU build from the indexes pip is configured with, else from PyTorch's own, else whatever build there is.
install_torch() {
    local want installed index=https://download.pytorch.org/whl/cpu
    want=$(sed -n 's/^torch==//p' "$ROOT/requirements/torch.txt")
    installed=$("$VENV/bin/python" -c 'import torch.version; print(torch.version.__version__)' 2>/dev/null || true)
    [[ $installed != "$want"* ]] || return 0
    say "installing torch $want (CPU build)"
    mkdir -p "$ROOT/log"
    run_group pip_install --no-deps "torch==$want+cpu" >"$ROOT/log/pip-torch.log" 2>&1 && return
    run_group pip_install --no-deps --retries 0 --timeout 15 --index-url "$index" "torch==$want+cpu" \
        >>"$ROOT/log/pip-torch.log" 2>&1 && return
    step "$ROOT/log/pip-torch.log" "no CPU build within reach; installing torch's default build, several GB" \
        pip_install "torch==$want"
}

# --- environment of every node ----------------------------------------------------------------------------------------

export_environment() {
    local site libs
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    if [[ $ON_ROS ]]; then
        # after the paths of ROS 2, before those of the system: `ros2 launch`, under its own interpreter, sees them, too
        export PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}$site
    else
        unset PYTHONPATH COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION
        libs=$(printf ':%s' "$site"/ros_*.libs)
        # the ROS 2 wheels would otherwise re-execute every Python to set this path
        export LD_LIBRARY_PATH=$VENV/lib$libs _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
        export AMENT_PREFIX_PATH=$VENV PYTHONNOUSERSITE=1
    fi
    if [[ -f $VENV/.ws-gpu ]]; then
        libs=$(printf '%s:' "$site"/nvidia/*/lib)
        export LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:-}
    fi
    export PATH=$VENV/bin:$PATH VIRTUAL_ENV=$VENV CROSSHAND_WS=$ROOT
    # where add-hand puts robots; every node looks there
    export CROSSHAND_EMBODIMENTS=$ROOT/robots${CROSSHAND_EMBODIMENTS:+:$CROSSHAND_EMBODIMENTS}
}

# Before anything else: what was inherited and is of no use is unset with a word, replaced with a word, or refused.
own_environment() {
    local variable changed python
    for variable in "${!PYTHON@}" PIP_USER PIP_TARGET PIP_PREFIX; do
        case $variable=${!variable:-} in
            PYTHONPATH=* | PYTHONUTF8=1 | PYTHONNOUSERSITE=* | PYTHONUNBUFFERED=* | PYTHONDONTWRITEBYTECODE=*) continue ;;
            PYTHONPYCACHEPREFIX=* | PYTHONFAULTHANDLER=*) continue ;;
        esac
        [[ -z ${!variable:-} ]] || say "$variable=${!variable} is not used"
        unset "$variable"
    done
    choose_environment
    python=$VENV/bin/python
    [[ -x $python ]] || python=${ON_ROS:+python3}
    [[ $python ]] || python=$(find_python)
    export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
    changed=$("$python" -I "$ROOT/src/bringup/bringup/environment.py" ${NEEDS:+"$NEEDS"}) || exit 1
    while IFS= read -r variable; do
        [[ -z $variable ]] || export "${variable?}"
    done <<<"$changed"
}

# --- system libraries -------------------------------------------------------------------------------------------------

# Rendering needs EGL and a driver for it, which pip cannot bring.
check_rendering() { python -m contracts.rendering || exit 1; }

# On an installed ROS 2 these come from the distribution.
check_ros_packages() {
    [[ $ON_ROS ]] || return 0
    python - <<'PY' || exit 1
import importlib.util, sys

packages = {"colcon_core": "python3-colcon-common-extensions", "cv2": "python3-opencv", "pytest": "python3-pytest"}
missing = [package for module, package in packages.items() if importlib.util.find_spec(module) is None]
if missing:
    sys.exit(f"error: packages of the system are missing: sudo apt install {' '.join(missing)}")
PY
}

# --- build ------------------------------------------------------------------------------------------------------------

# Under the Python of the virtual environment, so that what colcon makes and tests runs under it, too.
colcon() {
    export COLCON_LOG_LEVEL=${COLCON_LOG_LEVEL:-error}
    python -c 'from colcon_core.command import main; raise SystemExit(main())' --log-base "$ROOT/log" "$1" \
        --base-paths "$ROOT/src" --build-base "$ROOT/build" --install-base "$ROOT/install" \
        --executor sequential "${@:2}"
}

packages() { (cd "$ROOT/src" && printf '%s\n' */package.xml | cut -d / -f 1); }

# What a build depends on: Python files are linked, so only metadata and the list of the other files count.
build_inputs() {
    echo "$ROOT $ON_ROS $("$VENV/bin/python" -c 'import sys; print(sys.version)')"
    find src -name package.xml -o -name setup.py -o -name setup.cfg | LC_ALL=C sort | xargs sha256sum
    find src -type f \( -path '*/launch/*' -o ! -name '*.py' \) ! -path '*/test/*' ! -path '*/.*' \
        ! -path '*/__pycache__/*' ! -path '*.egg-info/*' ! -path '*/out/*' | LC_ALL=C sort
}

build() {
    local want stamp=$ROOT/build/.ws-built
    want=$(cd "$ROOT" && build_inputs | hash_of)
    stamped "$stamp" "$want" && return
    require_writable
    rm -rf "$ROOT/build" "$ROOT/install"
    step "$ROOT/log/build.log" "building" colcon build --symlink-install --event-handlers desktop_notification-
    mend_scripts
    echo "$want" >"$stamp"
}

# The kernel ends the interpreter of a script at the first space; the Python that PATH finds is the same.
mend_scripts() {
    [[ $ROOT == *[[:space:]]* ]] || return 0
    find "$ROOT/install" -path '*/lib/*' -type f -perm -u+x \
        -exec sed -i '1s|^#!.*python.*|#!/usr/bin/env python|' {} +
}

# Brings the workspace up to date for the given levels; two ws at once take turns.
prepare() {
    own_environment
    exec {lock}<"$ROOT"
    flock -n "$lock" || { say "another ws is setting up this workspace: waiting"; flock "$lock"; }
    local level
    for level in "$@"; do install_level "$level"; done
    export_environment
    check_ros_packages
    build
    # colcon's script splits the path of its interpreter at spaces, which that of a virtual environment may have
    COLCON_PYTHON_EXECUTABLE=$(python -c 'import os, sys; print(os.path.realpath(sys.executable))')
    export COLCON_PYTHON_EXECUTABLE
    set +u
    # shellcheck disable=SC1091
    source "$ROOT/install/setup.bash"
    set -u
    exec {lock}<&-
}

# --- commands ---------------------------------------------------------------------------------------------------------

run_executable() {
    [[ $# -ge 2 ]] || die "which executable? ./ws run PACKAGE EXECUTABLE [--ros-args ...]"
    local folder=$ROOT/install/$1/lib/$1 executable=$2
    [[ -f $ROOT/src/$1/package.xml ]] || die "no package '$1' in src/, but: $(packages | xargs)"
    [[ -x $folder/$executable ]] ||
        die "package '$1' has no executable '$executable', but: $(find "$folder" -type f -printf '%f ' 2>/dev/null)"
    [[ $1 != simulation && $2 != gallery ]] || check_rendering
    shift 2
    exec "$folder/$executable" "$@"
}

train() {
    local module options
    case ${1:-} in
        codec) module=latent_codec.training.main options=(--root "$ROOT") ;;
        policy)
            module=bringup.train_policy
            options=(--codec "$ROOT/models/codec" --out "$ROOT/models/policy" --work "$ROOT/out/train/policy")
            ;;
        *) die "./ws train codec|policy [--config FILE]; got '${1:-}'" ;;
    esac
    prepare runtime train
    [[ $1 == codec ]] || check_rendering
    exec python -m "$module" "${options[@]}" "${@:2}"
}

add_hand() {
    local folders=(--codec "$ROOT/models/codec" --robots "$ROOT/robots" --work "$ROOT/out/train/added")
    prepare runtime train
    exec python -m bringup.add_hand "${folders[@]}" "$@"
}

# The marks `graph` and `system` (pyproject.toml) tell the tiers apart: what has neither is fast.
run_tests() {
    local status=0 name tier="" options=() reports=()
    case ${1:-} in
        --fast | --graph | --system) tier=${1#--}; shift ;;
        -*) die "./ws test [--fast|--graph|--system] [PACKAGE...]; got '$1'" ;;
    esac
    for name in "$@"; do
        [[ -f $ROOT/src/$name/package.xml ]] || die "no package '$name' in src/, but: $(packages | xargs)"
    done
    prepare runtime train dev
    check_rendering
    rm -f "$ROOT"/build/*/pytest.xml
    if [[ $tier == fast ]]; then
        reports=(fast)
        run_group env -C "$ROOT" python -m pytest -q -n logical -m "not graph and not system" \
            --junitxml "$ROOT/build/fast/pytest.xml" "${@/#/src/}" || status=$?
    else
        mapfile -t reports < <(packages_of_tier "$tier" "$@")
        [[ -z $tier ]] || options=(--pytest-args " -m $tier")
        run_group colcon test --return-code-on-test-failure --packages-select "${reports[@]}" \
            --event-handlers console_cohesion+ desktop_notification- "${options[@]}" || status=$?
    fi
    python "$ROOT/.ci/summary.py" "$ROOT/build" "${reports[@]}" || status=$?
    exit "$status"
}

# The packages that are named; without names, those that have tests of the tier.
packages_of_tier() {
    if [[ $# -gt 1 ]]; then
        printf '%s\n' "${@:2}"
    elif [[ $1 ]]; then
        (cd "$ROOT/src" && grep --recursive --files-with-matches "mark\.$1" -- */test | cut -d / -f 1 | sort -u)
    else
        packages
    fi
}

bench() {
    local what=${1:-} levels=(runtime)
    [[ $# -eq 0 ]] || shift
    [[ $what != codec ]] || levels+=(train)
    [[ $what != @(runtime|soak|faults) ]] || NEEDS=graph
    prepare "${levels[@]}"
    case $what in
        codec) exec python -m latent_codec.evaluation.bench --root "$ROOT" "$@" ;;
        policy) exec python -m latent_policy_node.bench --bundle "$ROOT/models/policy" "$@" ;;
        runtime | soak)
            check_rendering
            exec python -m "system_tests.load.$what" "$@" ;;
        faults)
            check_rendering
            exec python -m system_tests.faults "$@" ;;
        fuzz) exec python -m system_tests.fuzz "$@" ;;
        *) die "./ws bench codec|policy|runtime|faults|soak|fuzz [--json FILE]; got '$what'" ;;
    esac
}

open_shell() {
    # shellcheck disable=SC2016  # the new shell expands these
    exec bash --rcfile <(
        echo '[ -f ~/.bashrc ] && . ~/.bashrc'
        echo 'PATH=$VIRTUAL_ENV/bin:$PATH PS1="(crosshand) \w\$ "'
    ) -i
}

main() {
    local command=${1:-help}
    [[ $# -eq 0 ]] || shift
    case $command in
        demo) NEEDS=graph; prepare runtime; check_rendering; exec python -m bringup.demo "$@" ;;
        test) run_tests "$@" ;;
        bench) bench "$@" ;;
        train) train "$@" ;;
        add-hand) add_hand "$@" ;;
        record) prepare runtime; exec python -m bringup.record "$@" ;;
        inspect | convert) prepare runtime; exec python -m "episodes.$command" "$@" ;;
        run) prepare runtime; run_executable "$@" ;;
        docs)
            [[ $# -eq 0 ]] || die "./ws docs takes no argument; got '$*'"
            prepare runtime train dev
            python -m system_tests.reference
            exec mkdocs build --strict --config-file "$ROOT/mkdocs.yml" ;;
        shell)
            [[ $# -eq 0 ]] || die "./ws shell takes no argument; got '$*'"
            prepare runtime
            open_shell ;;
        setup)
            [[ $# -le 1 ]] || die "./ws setup [runtime|train|dev|gpu]; got '$*'"
            case ${1:-runtime} in
                runtime) prepare runtime ;;
                train) prepare runtime train ;;
                dev) prepare runtime train dev ;;
                gpu) prepare runtime gpu ;;
                *) die "./ws setup [runtime|train|dev|gpu]; got '$1'" ;;
            esac ;;
        help | -h | --help) usage ;;
        *) usage >&2; die "unknown command '$command'" ;;
    esac
}

main "$@"
