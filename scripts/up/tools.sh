#!/bin/sh
# Says in one line which tool is missing or too old, and where to get it.
# make runs it before anything else: without Go the rest cannot speak.
set -u
need=$(sed -n 's/^go //p' go.mod)
if ! command -v go >/dev/null 2>&1; then
    echo "✗ 没有 Go：请安装 Go $need 以上（https://go.dev/dl/），并把它的 bin 目录加进 PATH" >&2
    exit 1
fi
# With an older Go this fetches the right one by itself, unless GOTOOLCHAIN forbids it.
if ! said=$(go env GOVERSION 2>&1); then
    echo "✗ Go 太旧，也没能自动取得新版：请安装 Go $need 以上（https://go.dev/dl/）。go 说：$(echo "$said" | tail -n 1)" >&2
    exit 1
fi
