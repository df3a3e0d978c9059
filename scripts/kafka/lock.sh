#!/bin/sh
# Writes jars.lock anew from pom.xml: sha256, bytes and path in a Maven repository
# of every jar. Maven (-C) checks what it fetches against the repository's own sums.
# Only for a change of version: make real fetches by the lock, without Maven.
set -eu
cd "$(dirname "$0")"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mvn -q -B -C -Dmaven.repo.local="$made/repository" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$made/jars" -Dmdep.useRepositoryLayout=true
(cd "$made/jars" && find . -name '*.jar' | LC_ALL=C sort | sed 's,^\./,,' | while read -r jar; do
    echo "$(sha256sum "$jar" | cut -d' ' -f1) $(wc -c <"$jar") $jar"
done) >jars.lock
