package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"enilab/netlab"
	"enilab/sandbox"
)

// A full disk is no fault of the archive's.
func TestUnpackError(t *testing.T) {
	for err, want := range map[error]Code{
		errors.New("two entries have one name"):                            InvalidParameterValue,
		&fs.PathError{Op: "open", Path: "long", Err: syscall.ENAMETOOLONG}: InvalidParameterValue,
		&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}:         ServiceException,
		fmt.Errorf("unpack: %w", syscall.EMFILE):                           ServiceException,
	} {
		if got := codeOf(archiveError(err, "code of %s", "f")); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

// A function fails to start by what is in its archive alone.
func TestSpawnError(t *testing.T) {
	for step, functions := range map[string]bool{"exec": true, "code": true, "mount": false, "init": false, "zygote": false, "process": false, "cgroup": false} {
		err := spawnError("id", fmt.Errorf("spawn: %w", &sandbox.StartError{Step: step, Reason: "reason"}))
		if got := errors.As(err, new(*initFailure)); got != functions {
			t.Errorf("a failure at the step %s is the function's: %v", step, got)
		}
		if failed := (slotFailure{}); !functions && (!errors.As(err, &failed) || codeOf(failed) != ServiceException) {
			t.Errorf("a failure at the step %s is %v", step, err)
		}
	}
}

// What a client is told of an interface that could not be had names what was tried on what, and has no word of the kernel's or
// path of the host's. Those are in the text, which the log and the lab's owner see.
func TestAttachError(t *testing.T) {
	c := FunctionConfiguration{FunctionName: "f", VpcConfig: VpcConfig{VpcID: "vpc-a", SubnetIDs: []string{"subnet-a", "subnet-b"}, SecurityGroupIDs: []string{"sg-a"}}}
	met := &fs.PathError{Op: "open", Path: "/proc/77/ns/net", Err: syscall.EMFILE}
	const unexpected = "Lambda received an unexpected Amazon EC2 client exception while setting up for the Lambda function. An environment of f could not be connected to "
	for _, test := range []struct {
		config FunctionConfiguration
		err    error
		code   Code
		said   string
	}{
		{c, met, EC2UnexpectedException, unexpected + "subnets subnet-a, subnet-b of VPC vpc-a; the lab's log has the cause."},
		{FunctionConfiguration{FunctionName: "f"}, met, EC2UnexpectedException, unexpected + "no VPC; the lab's log has the cause."},
		{c, diagnose(&netlab.VPC{ID: "vpc-a"}, "subnet-a", nil, met), InvalidSubnetID, "The Subnet ID provided in the Lambda function VPC configuration is invalid. (subnet subnet-a of VPC vpc-a)"},
		{c, fails(throttled, "CreateNetworkInterface: Request limit exceeded."), EC2Throttled, faces[throttled].said + " CreateNetworkInterface: Request limit exceeded."},
	} {
		err := attachError(test.config, fmt.Errorf("attach: %w", test.err))
		e := (*Error)(nil)
		if !errors.As(err, &e) || e.Code != test.code || e.ErrorMessage() != test.said || e.Status() != 502 {
			t.Errorf("%+v, want %s: %s", err, test.code, test.said)
		}
		if errors.Is(test.err, syscall.EMFILE) && (!errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), met.Error())) {
			t.Errorf("the text %q is without the cause", err)
		}
	}
}

// Where the function store is, is nobody's business but the owner's.
func TestNoSuchKey(t *testing.T) {
	s := New(Config{Store: sandbox.Store{Dir: t.TempDir()}})
	defer s.Close()
	_, err := s.putCode("f", nil, "k.zip")
	_, layerErr := s.readStore("k.zip")
	for _, err := range []error{err, layerErr} {
		e := (*Error)(nil)
		if !errors.As(err, &e) || e.ErrorMessage() != `Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist. ("k.zip" is not in the lab's function store; put it there first)` {
			t.Errorf("got %v", err)
		} else if !strings.Contains(err.Error(), s.Store.Dir) {
			t.Errorf("the owner is not told where to put it: %v", err)
		}
	}
}
