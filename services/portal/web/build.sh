#!/bin/sh
# Builds the pages' scripts into dist/, which portal embeds, unless they are those
# of the sources as they are. Fetches Node's packages, and Node itself where only
# an older one is there. `build.sh tools` also fetches what tests and lint need.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
    echo "✗ 没有 Node 和 npm：请安装 Node 20.19 以上（https://nodejs.org，或 apt-get install nodejs npm）" >&2
    exit 1
fi
new='const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)'
if ! node -e "$new"; then
    [ -x .node/node_modules/.bin/node ] || echo "本机的 Node 太旧，从 npm 取得 Node 22（约 45 MB）…"
    [ -x .node/node_modules/.bin/node ] || npm install --prefix .node --no-audit --no-fund --loglevel=error node@22.23.3
    PATH="$PWD/.node/node_modules/.bin:$PATH"
fi
sum() { cksum | cut -d ' ' -f 1; }
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
lock=$(sum <package-lock.json)
if [ "$(cat node_modules/.fetched 2>/dev/null || true)" != "$lock" ]; then
    echo "从 npm 取得页面要用的包（首次约一分钟）…"
    npm ci --no-audit --no-fund --loglevel=error
    echo "$lock" >node_modules/.fetched
fi
[ "${1:-}" = tools ] && exit 0
made=$(find package-lock.json tsconfig.base.json budget.ts client portal console -type f ! -path '*/node_modules/*' ! -name schema.d.ts | LC_ALL=C sort | xargs cksum | sum)
if [ "$(cat dist/.made 2>/dev/null || true)" != "$made" ]; then
    echo "构建页面…"
    npm run --silent build
    echo "$made" >dist/.made
fi
