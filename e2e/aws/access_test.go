package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
)

// askArg has the test binary be a client: "ask ADDRESS KEY SECRET" prints what function f's variables are, or the error's code.
const askArg = "ask"

func ask(ctx context.Context, address, key, secret string) string {
	client := lambda.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""), HTTPClient: wholeBody{new(http.Transport)},
	})
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")})
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused):
		return refused.ErrorCode()
	case err != nil:
		return err.Error()
	}
	return out.Environment.Variables["SECRET"]
}

// askAs is ask of another user.
func askAs(t *testing.T, uid uint32, address string, key [2]string) string {
	t.Helper()
	program := try(os.Open("/proc/self/exe"))(t) // that user may not walk to it
	defer program.Close()
	cmd := exec.CommandContext(t.Context(), "/proc/self/fd/3", askArg, address, key[0], key[1])
	cmd.ExtraFiles = []*os.File{program}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// ownAddress is one of this machine's besides loopback; empty if it has none.
func ownAddress(t *testing.T) string {
	t.Helper()
	for _, a := range try(net.InterfaceAddrs())(t) {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	return ""
}

// TestAccess: the API answers its owner with any credentials, everybody else with the lab's key, and everybody if it is open.
func TestAccess(t *testing.T) {
	const stranger, caller = 23664, 23665
	t.Setenv("SUDO_UID", fmt.Sprint(caller))
	l := up(t, "name: lab\nfunctions:\n  f: {code: go.zip, environment: {SECRET: told}}\n")
	key := func() (k [2]string) {
		t.Helper()
		var v map[string]string
		if err := json.Unmarshal(try(l.run("env", "--format", "json"))(t), &v); err != nil {
			t.Fatal(err)
		}
		if v["AWS_ENDPOINT_URL"] != "http://"+strings.Replace(l.Listen, "0.0.0.0", "127.0.0.1", 1) || v["AWS_REGION"] != "us-east-1" || v["AWS_DEFAULT_REGION"] != "us-east-1" {
			t.Errorf("env: %v, and the lab listens on %s", v, l.Listen)
		}
		return [2]string{v["AWS_ACCESS_KEY_ID"], v["AWS_SECRET_ACCESS_KEY"]}
	}
	own, any := key(), [2]string{"test", "test"}
	wrong := [2]string{own[0], "wrong"}
	of := exec.CommandContext(t.Context(), "sh", "-euc", string(try(l.run("env"))(t))+`printf %s "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY${AWS_SESSION_TOKEN-}${AWS_PROFILE-}${AWS_ENDPOINT_URL_LAMBDA-}"`)
	of.Env = append(os.Environ(), "AWS_SESSION_TOKEN=another", "AWS_PROFILE=none", "AWS_ENDPOINT_URL_LAMBDA=http://192.0.2.1")
	shell := try(of.Output())(t)
	if string(shell) != own[0]+" "+own[1] {
		t.Errorf("the shell has %q, want %q", shell, own)
	}
	for _, file := range try(filepath.Glob(filepath.Join(l.home, "state", "lab", "*")))(t) {
		if info := try(os.Stat(file))(t); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
	if line := try(os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", l.DaemonPID)))(t); strings.Contains(string(line), own[1]) {
		t.Error("everybody can read the key in the daemon's arguments")
	}

	const unknown, bad = "UnrecognizedClientException", "InvalidSignatureException"
	want := func(state string, table map[string][2]string) {
		t.Helper()
		for who, c := range table {
			if c[0] != c[1] {
				t.Errorf("%s, %s: %q, want %q", state, who, c[0], c[1])
			}
		}
	}
	want("owner", map[string][2]string{
		"root, any":        {ask(t.Context(), l.Listen, "test", "test"), "told"},
		"sudo's, any":      {askAs(t, caller, l.Listen, any), "told"},
		"stranger, any":    {askAs(t, stranger, l.Listen, any), unknown},
		"stranger, wrong":  {askAs(t, stranger, l.Listen, wrong), bad},
		"stranger, theirs": {askAs(t, stranger, l.Listen, own), "told"},
	})
	l.say(t, "up", "--name", "lab", "--verify-signatures")
	want("key", map[string][2]string{
		"root, any": {ask(t.Context(), l.Listen, "test", "test"), unknown}, "root, own": {ask(t.Context(), l.Listen, own[0], own[1]), "told"},
		"stranger, any": {askAs(t, stranger, l.Listen, any), unknown}, "stranger, theirs": {askAs(t, stranger, l.Listen, own), "told"},
	})
	l.say(t, "up", "--name", "lab") // it stays what it was
	want("still key", map[string][2]string{"root, any": {ask(t.Context(), l.Listen, "test", "test"), unknown}})
	l.say(t, "up", "--name", "lab", "--open")
	want("open", map[string][2]string{"stranger, any": {askAs(t, stranger, l.Listen, any), "told"}, "root, any": {ask(t.Context(), l.Listen, "test", "test"), "told"}})

	// On other addresses nobody knows who it is.
	address := ownAddress(t)
	if address == "" {
		t.Skip("the machine has no address but loopback's")
	}
	_, port, _ := strings.Cut(l.Listen, ":")
	l.say(t, "up", "--name", "lab", "--open=false", "--listen", "0.0.0.0:"+port)
	l.listed = l.list()
	if again := key(); again != own {
		t.Errorf("the key has changed: %v, %v", own, again)
	}
	outside := address + ":" + port
	want("elsewhere", map[string][2]string{
		"root, any": {ask(t.Context(), outside, "test", "test"), unknown}, "root, own": {ask(t.Context(), outside, own[0], own[1]), "told"},
		"root over loopback, any": {ask(t.Context(), "127.0.0.1:"+port, "test", "test"), "told"},
	})
}
