// Command mint makes every secret of a deployment, once: go run ./deploy/mint
// writes deploy/secrets, which compose.yaml reads and `kubectl apply -k` sends to
// a cluster. What is there already stays as it is.
//
// What must always be true: no secret is printed or in the repository, and the
// key that opens who told a tip-off lies apart, for somebody to take away.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"xunguan/pkg/auth"
	"xunguan/services/tipoff"
)

// behind is the services behind portal, which check the tokens that it signs.
var behind = []string{"rulebook", "licensing", "escrow", "inspection", "tipoff"}

// A container runs as somebody else: the files are open to all, and the folder
// to its owner alone.
const (
	folderMode = 0o700
	fileMode   = 0o444
)

func main() {
	var cli struct {
		Dir string `arg:"" default:"deploy/secrets" help:"Folder to write to."`
	}
	kong.Parse(&cli, kong.Description("Makes the secrets of a deployment that it has not yet."))
	if err := mint(cli.Dir); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
	fmt.Printf("✓ 密钥在 %s，已有的保持不变。\n  请把 %s 移到受理中心离线保管：它能打开举报人身份，不应留在服务器上。\n",
		cli.Dir, filepath.Join(cli.Dir, "offline", "identity.key"))
}

func mint(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "offline"), folderMode); err != nil {
		return err
	}
	return errors.Join(
		signing(dir), reporters(dir), consul(dir), databases(dir), objects(dir),
		put(dir, "keycloak.password", random()),
		put(dir, "oidc.secret", random()),
		put(dir, "grafana.password", random()),
		put(dir, "kustomization.yaml", cluster()),
	)
}

// signing makes the key that signs callers' tokens, and what checks them.
func signing(dir string) error {
	file := filepath.Join(dir, "portal.pem")
	if err := auth.WriteKey(file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(file, fileMode); err != nil {
		return err
	}
	key, err := auth.ReadKey(file)
	if err != nil {
		return err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	keys := auth.KeyID(public) + "=" + base64.StdEncoding.EncodeToString(public)
	var env []string
	for _, name := range behind {
		env = append(env, strings.ToUpper(name)+"_CALLER_KEYS="+keys)
	}
	return errors.Join(put(dir, "callers.env", strings.Join(env, "\n")), put(dir, "callers.cluster.env", "CALLER_KEYS="+keys))
}

// reporters makes what tip-offs' receipts and reporters' identities are sealed with.
func reporters(dir string) error {
	aside := filepath.Join(dir, "offline")
	if _, err := os.Stat(filepath.Join(dir, "tipoff.identity.pub")); err == nil {
		return nil // its other half may have been taken away already
	}
	if _, _, err := tipoff.Secrets(aside, true); err != nil {
		return err
	}
	for _, name := range []string{"receipt.key", "identity.pub"} {
		text, err := os.ReadFile(filepath.Join(aside, name)) //nolint:gosec // written a moment ago
		if err != nil {
			return err
		}
		if err := put(dir, "tipoff."+name, strings.TrimSpace(string(text))); err != nil {
			return err
		}
	}
	return nil
}

// databases makes a password for each role, in the form that clients read.
func databases(dir string) error {
	errs := []error{put(dir, "postgres.password", random())}
	admin, err := os.ReadFile(filepath.Join(dir, "postgres.password")) //nolint:gosec // written a moment ago
	errs = append(errs, err, put(dir, "postgres.pgpass", "*:*:*:postgres:"+string(admin)))
	for _, name := range append([]string{"portal", "keycloak"}, behind...) {
		errs = append(errs, put(dir, name+".pgpass", fmt.Sprintf("*:*:%s:%s:%s", name, name, random())))
	}
	return errors.Join(errs...)
}

// objects makes the key to the store of attachments, as its clients and as the
// store itself read it.
func objects(dir string) error {
	if err := put(dir, "objects.key", "xunguan:"+random()); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(dir, "objects.key")) //nolint:gosec // written a moment ago
	if err != nil {
		return err
	}
	access, secret, _ := strings.Cut(strings.TrimSpace(string(key)), ":")
	return put(dir, "objects.env", "ROOT_ACCESS_KEY="+access+"\nROOT_SECRET_KEY="+secret)
}

// consul makes a token for each service, and for the agent and its administrator.
func consul(dir string) error {
	var errs []error
	for _, name := range append([]string{"management", "agent", "portal"}, behind...) {
		errs = append(errs, put(dir, name+".consul", uuid.NewString()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	management, err := os.ReadFile(filepath.Join(dir, "management.consul")) //nolint:gosec // written a moment ago
	if err != nil {
		return err
	}
	agent, err := os.ReadFile(filepath.Join(dir, "agent.consul")) //nolint:gosec // written a moment ago
	if err != nil {
		return err
	}
	return put(dir, "consul.hcl", fmt.Sprintf("acl {\n  tokens {\n    initial_management = %q\n    agent              = %q\n  }\n}",
		strings.TrimSpace(string(management)), strings.TrimSpace(string(agent))))
}

// cluster is the kustomization that makes Secrets of the files.
func cluster() string {
	var b strings.Builder
	b.WriteString(`# kubectl apply -k: the Secrets and the ConfigMap that k8s/ refers to.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: xunguan
generatorOptions: {disableNameSuffixHash: true}
configMapGenerator:
  - {name: xunguan-callers, envs: [callers.cluster.env]}
secretGenerator:
`)
	more := map[string]string{
		"portal":     ", signing.pem=portal.pem, oidc.secret",
		"inspection": ", objects.key",
		"tipoff":     ", receipt.key=tipoff.receipt.key, identity.pub=tipoff.identity.pub, objects.key",
	}
	for _, name := range append([]string{"portal"}, behind...) {
		fmt.Fprintf(&b, "  - {name: xunguan-%s, files: [pgpass=%s.pgpass, consul=%s.consul%s]}\n", name, name, name, more[name])
	}
	return b.String()
}

// random is a secret that needs no quoting anywhere.
func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// put writes a file of dir, whole or not at all, unless it is there.
func put(dir, name, text string) error {
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.WriteFile(file+".new", []byte(strings.TrimSpace(text)+"\n"), fileMode); err != nil { //nolint:gosec // see folderMode
		return err
	}
	return os.Rename(file+".new", file)
}
