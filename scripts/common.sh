# Shared by the scripts of this folder, which source it: where things are, and what they need from the system.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/artifacts/bin
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# help_if_asked "$@": with -h or --help, prints the comment at the head of the script that sources this, and is done.
help_if_asked() {
    local argument
    for argument in "$@"; do
        case $argument in
            -h | --help) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; exit 0 ;;
        esac
    done
}

# refuse PROBLEM: of a command line.
refuse() {
    say "$(basename "$0"): $1; see scripts/$(basename "$0") --help"
    exit 2
}

# take_no_arguments "$@": for a script that has none but --help.
take_no_arguments() {
    help_if_asked "$@"
    (($# == 0)) || refuse "'$1' is not understood"
}

# need_packages PACKAGE…: Debian packages that must be there. Root installs what is missing; others are told what to install.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || return 0 # not a Debian: the tools are looked for when they are used
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || die "packages are missing; run: sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    apt_get update
    apt_get install -y --no-install-recommends "${missing[@]}"
}

apt_get() {
    local log
    log=$(DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null 2>&1) || die "apt-get $1 failed: $log"
}

# The SDK that global.json asks for.
need_dotnet() {
    if ! command -v dotnet >/dev/null; then
        ((EUID == 0)) || die "the .NET 10 SDK is missing; run: sudo apt-get install dotnet-sdk-10.0"
        need_packages dotnet-sdk-10.0
    fi
    (cd "$root" && dotnet --version >/dev/null) || die "global.json asks for another .NET SDK than those of 'dotnet --list-sdks'"
}

# need_programs: vdisk and the two programs that it starts, on the PATH: freshly built, or those of $VDISK_BIN.
need_programs() {
    [[ -n ${VDISK_BIN:-} ]] || "$root/scripts/build"
    PATH=${VDISK_BIN:-$bin}:$PATH:/usr/sbin:/sbin
}

# demo_begin: goes to a temporary folder, $work, which goes at the end with all that is attached in it, also after Ctrl-C.
# In it, source is the project.
demo_begin() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/vdisk-demo.XXXXXX")
    trap demo_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cd "$work"
    ln -s "$root" source
}

demo_end() {
    local code=$? place
    trap - EXIT INT TERM
    cd /
    for place in "$work"/*/; do
        # After a clean run nothing is attached any more, and these find nothing.
        vdisk umount "$place" --lazy 2>/dev/null || true
        vdisk detach "$place" --lazy 2>/dev/null || true
    done
    # No -r over a mount that may be left: only the folders and files made here.
    rm -rf --one-file-system "$work"
    ((code == 0)) || say "the demo failed with code $code"
    exit "$code"
}

step() { printf '\n# %s\n' "$*"; }

# run COMMAND: shows a line of shell, runs it, and ends the demo unless it went as it should.
run() {
    printf '$ %s\n' "$1"
    eval "$1" || die "this should have gone otherwise: $1"
}
