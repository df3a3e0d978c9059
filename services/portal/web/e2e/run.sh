#!/bin/sh
# Runs the tests in a browser against a suite of its own, with data of its own.
# Installs Debian's Chromium and a Chinese font where they are missing.
# XUNGUAN_PICTURES=../pictures takes the README's pictures anew.
set -eu
root=$(cd "$(dirname "$0")/../../../.." && pwd)
data=${XUNGUAN_DATA:-$root/.xunguan}/e2e
cd "$root"
lacking=""
command -v chromium >/dev/null 2>&1 || lacking="chromium"
[ -n "$(fc-list :lang=zh 2>/dev/null)" ] || lacking="$lacking fontconfig fonts-noto-cjk"
if [ -n "$lacking" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "✗ 缺少浏览器测试要用的：请执行 sudo apt-get install -y $lacking" >&2
        exit 1
    fi
    echo "安装$lacking…"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $lacking >/dev/null
fi
sh services/portal/web/build.sh tools
[ -d services/portal/web/.node ] && PATH="$root/services/portal/web/.node/node_modules/.bin:$PATH"
mkdir -p "$data/bin"
go build -buildvcs=false -o "$data/bin/up" ./scripts/up
export XUNGUAN_DATA="$data" XUNGUAN_PORT_OFFSET="${XUNGUAN_PORT_OFFSET:-22000}"
"$data/bin/up" reset
cd services/portal/web/e2e
exec ../node_modules/.bin/playwright test "$@"
