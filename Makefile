# Xunguan 训管通. `make help` lists the commands.
# 端口整体挪动：XUNGUAN_PORT_OFFSET=1000 make up   数据另放：XUNGUAN_DATA=/path make up
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: verify-draw web help up reset story test e2e real chaos bench check generate fmt lint tidy fuzz tools

OFFSET := $(or $(XUNGUAN_PORT_OFFSET),0)
DATA := $(or $(XUNGUAN_DATA),.xunguan)
TOOL := go tool -modfile=scripts/tools.mod
# Not `go run`: it passes no SIGTERM on, and no exit status.
UP := @mkdir -p $(DATA)/bin && go build -buildvcs=false -o $(DATA)/bin/up ./scripts/up && exec $(DATA)/bin/up
GOTEST ?= go test -race -shuffle=on -timeout=30m
FUZZTIME ?= 20s

help: ## 列出命令
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools:
	@sh scripts/up/tools.sh

web: ## 构建页面的脚本（源文件没有变就不做）
	@sh services/portal/web/build.sh

up: tools web ## 启动整套系统（含演示数据），Ctrl-C 停止
	$(UP)

reset: tools ## 清除演示数据（先停掉 make up）
	$(UP) reset

story: tools ## 对正在运行的系统演一遍业务故事
	@XUNGUAN_PUBLIC=$${XUNGUAN_PUBLIC:-http://127.0.0.1:$$((8080 + $(OFFSET)))} XUNGUAN_STAFF=$${XUNGUAN_STAFF:-http://127.0.0.1:$$((8081 + $(OFFSET)))} \
		go run -buildvcs=false ./scripts/story

test: tools web ## 全部测试（自带一次性的 PostgreSQL 与消息代理）
	@cd services/portal/web && npm test --silent
	$(UP) test-db -- $(GOTEST) ./...
	@cd deploy/check && go test -timeout=30m ./...

e2e: tools web ## 浏览器里的端到端测试（自带一套系统；缺 Chromium 和中文字体时安装）
	@sh services/portal/web/e2e/run.sh

real: tools ## 在真实的 Kafka、Consul、PostgreSQL 上演完全部故事
	@mkdir -p $(DATA)/bin && go build -buildvcs=false -o $(DATA)/bin/real ./scripts/real && exec $(DATA)/bin/real

chaos: tools ## 反复杀进程、停进程、断网、满盘，核对每次写入（SEED=重来，ONLY=storm|weak|防线）
	@mkdir -p $(DATA)/chaos && go build -buildvcs=false -o $(DATA)/chaos/chaos ./scripts/chaos && exec $(DATA)/chaos/chaos --programs=$(DATA)/chaos --seed=$(or $(SEED),0) --only=$(ONLY)

verify-draw: ## 重演一次公布的随机抽取：make verify-draw FILE=draw.json
	@go run -buildvcs=false ./scripts/verifydraw $(FILE)

bench: tools ## 量一量：每秒课消、事件时延、启动时间、内存
	@go run -buildvcs=false ./scripts/bench

check: generate ## 提交前：生成物无差异、静态检查、测试
	@git diff --exit-code || { echo "✗ 生成物与源文件不一致：请提交上面的差异" >&2; exit 1; }
	@$(MAKE) --no-print-directory lint test

generate: tools ## 由 proto 生成代码，由接口文档生成页面的客户端
	@cd proto && go tool -modfile=../scripts/tools.mod buf generate
	@go test -count=1 -run '^TestClientDocument$$' ./services/portal -update

fmt: tools ## 统一格式
	@$(TOOL) golangci-lint fmt ./...

lint: tools ## 静态检查（Go 与 proto）
	@cd proto && go tool -modfile=../scripts/tools.mod buf lint
	@$(TOOL) golangci-lint run ./...
	@cd deploy/check && go tool -modfile=../../scripts/tools.mod golangci-lint run ./...
	@sh services/portal/web/build.sh tools && cd services/portal/web && npm run --silent check && npm run --silent lint

tidy: tools ## 整理 go.mod
	@go mod tidy
	@cd deploy/check && go mod tidy

fuzz: tools ## 每个模糊测试跑 FUZZTIME（默认 20s）
	@grep -rl --include='*_test.go' '^func Fuzz' pkg services scripts | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
			echo "$$file $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || exit 1; \
		done; done
