package aws_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/testlab"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// A control plane that is confined to little memory is not ended by clients who send it much, and goes on serving others.
func TestLittleMemory(t *testing.T) {
	group := testlab.MemoryGroup(t, "memory", 90<<20)
	l := planned(t, t.TempDir(), "name: lab\nfunctions:\n  f: {code: go.zip}\n")
	l.program = filepath.Join(t.TempDir(), "confined")
	script := fmt.Sprintf("#!/bin/sh\necho 0 >%s/cgroup.procs && exec %s \"$@\"\n", group, enilab)
	if err := os.WriteFile(l.program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l.up()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	half := strings.Repeat("1", 4<<20)
	for range 20 {
		c := try(net.Dial("tcp", l.Listen))(t)
		open = append(open, c)
		fmt.Fprintf(c, "POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"+
			"Authorization: AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n%s", 2*len(half), half)
	}
	for range 20 {
		out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte("{}")}))(t)
		if out.FunctionError != nil {
			t.Fatalf("%s", out.Payload)
		}
	}
	if now := l.list(); now.Status != "up" || now.DaemonPID != l.DaemonPID {
		t.Errorf("the daemon was %d, and the lab is %+v", l.DaemonPID, now)
	}
}
