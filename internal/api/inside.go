package api

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/wire"

	"golang.org/x/net/netutil"
)

// Inside is the API as functions find it: each environment at an endpoint of its own, with the credentials of its function's
// role, and with what the policies of that role allow.
type Inside struct {
	config Config
	server *wire.Server
}

// What environments may cost together. They have a server of their own, so that they take nothing from those outside.
const (
	insideMemory   = 256 << 20 // bytes of requests; a function has at most as much as is left for others
	insideRequests = 512       // under way
	insideConns    = 2048
)

// connsPerEnvironment is how many connections an environment has at once; more wait in the kernel's backlog. Clients keep a
// few.
const connsPerEnvironment = 16

// credentialsLast is longer than any environment: it keeps those that it began with.
const credentialsLast = 30 * 24 * time.Hour

// NewInside makes a server for environments. Close ends it.
func NewInside(c Config) *Inside {
	memory := c.Memory
	if memory != nil {
		memory = func() int64 { return c.Memory() / 2 }
	}
	s := wire.New(wire.Config{
		Region: c.Region, Account: c.Account, Log: c.Log, MaxMemory: insideMemory, Memory: memory, MaxRequests: insideRequests, MaxConns: insideConns,
	})
	register(s, c)
	return &Inside{c, s}
}

// Close ends all connections.
func (i *Inside) Close() error { return i.server.Close() }

// Identify makes credentials of a session of a role, named as Lambda names it, and the endpoint that takes them and no others:
// another environment's are unknown there.
func (i *Inside) Identify(role, function string) (lambda.Identity, error) {
	c, err := i.config.IAM.IssueCredentials(role, function, credentialsLast)
	if err != nil {
		return lambda.Identity{}, err
	}
	caller := wire.Caller{
		Access: wire.Keyed, Client: function, // all its environments are one
		Secret: func(accessKey, token string) (string, bool) {
			if accessKey != c.AccessKeyID {
				return "", false
			}
			_, err := i.config.IAM.SessionOf(accessKey, token) // the role may have gone
			return c.SecretAccessKey, err == nil
		},
		Authorize: func(r *wire.Request, in any) error { return i.authorize(c.Session, r, in) },
	}
	return lambda.Identity{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Serve: func(l net.Listener) error {
			err := i.server.Serve(netutil.LimitListener(l, connsPerEnvironment), func(net.Conn) wire.Caller { return caller })
			if errors.Is(err, net.ErrClosed) { // the environment has ended
				return nil
			}
			return err
		},
	}, nil
}

// authorize asks the policies of the session's role about each resource that a request names.
func (i *Inside) authorize(session iam.Session, r *wire.Request, in any) error {
	if r.Service == "sts" && r.Operation == "GetCallerIdentity" {
		return nil // "No permissions are required to perform this operation", and none can forbid it
	}
	ask := func(action, resource string) error {
		err := message(i.config.IAM.Authorize(session, action, resource))
		if err == nil || r.Service != "ec2" {
			return err
		}
		return fmt.Errorf("You are not authorized to perform this operation. %s", strings.Replace(err.Error(), " on resource: *", "", 1)) //nolint:revive,staticcheck // EC2's sentence
	}
	for _, resource := range i.resources(r, in) {
		if err := ask(actionOf(r.Service, r.Operation), resource); err != nil {
			return err
		}
	}
	if role := passedRole(r, in); role != "" {
		return ask("iam:PassRole", role)
	}
	return nil
}

// message is what an error says to clients.
func message(err error) error {
	if e := (*iam.Error)(nil); errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}

// actionOf is what policies call an operation.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
func actionOf(service, operation string) string {
	if service == "lambda" {
		switch operation {
		case "Invoke", "InvokeWithResponseStream":
			operation = "InvokeFunction"
		case "GetLayerVersionByArn":
			operation = "GetLayerVersion"
		}
	}
	return service + ":" + operation
}

// passedRole is the role that a request has Lambda assume, for which its sender needs iam:PassRole.
// https://docs.aws.amazon.com/lambda/latest/dg/permissions-user-function.html
func passedRole(r *wire.Request, in any) string {
	if r.Service != "lambda" {
		return ""
	}
	return member(in, "Role")
}

// resources are those that a request names, as policies name them; "*" if it names none, as lists do.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func (i *Inside) resources(r *wire.Request, in any) (list []string) {
	arn := func(service, region, rest string) string {
		return "arn:aws:" + service + ":" + region + ":" + r.Account + ":" + rest
	}
	named := func(name string, write func(value string) string) {
		if v := member(in, name); v != "" {
			list = append(list, write(v))
		}
	}
	asItIs := func(arn string) string { return arn }
	switch r.Service {
	case "lambda":
		named("FunctionName", func(name string) string {
			ref, err := i.config.Lambda.Ref(name, member(in, "Qualifier"))
			if err != nil { // which the operation will say
				return name
			}
			return arn("lambda", i.config.Region, "function:"+ref.String())
		})
		named("LayerName", func(name string) string {
			layer := name
			if !strings.HasPrefix(name, "arn:") {
				layer = arn("lambda", i.config.Region, "layer:"+name)
			}
			if v := member(in, "VersionNumber"); v != "" {
				layer += ":" + v
			}
			return layer
		})
		named("Resource", asItIs)
		named("Arn", asItIs)
	case "iam", "sts":
		named("RoleName", func(name string) string { return arn("iam", "", "role/"+name) })
		named("RoleArn", asItIs)
		named("PolicyArn", asItIs)
		if r.Operation == "AttachRolePolicy" || r.Operation == "DetachRolePolicy" {
			list = list[:min(len(list), 1)] // the policy is a condition there, no resource
		}
	case "ec2":
		if kind := madeByEC2[r.Operation]; kind != "" {
			list = append(list, arn("ec2", i.config.Region, kind+"/*"))
		}
		for _, kind := range []struct{ member, path string }{
			{"VpcId", "vpc"}, {"SubnetId", "subnet"}, {"GroupId", "security-group"}, {"NetworkInterfaceId", "network-interface"},
		} {
			named(kind.member, func(id string) string { return arn("ec2", i.config.Region, kind.path+"/"+id) })
		}
	}
	if len(list) == 0 {
		return []string{"*"}
	}
	return list
}

// madeByEC2 is what operations make, which has no id yet when they are asked for.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
var madeByEC2 = map[string]string{
	"CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateSecurityGroup": "security-group", "CreateNetworkInterface": "network-interface",
}

// member is a member of an operation's input as text; empty if there is none.
func member(in any, name string) string {
	v := reflect.ValueOf(in).Elem().FieldByName(name)
	if v.IsValid() && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return ""
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return fmt.Sprint(v.Int())
	}
	return ""
}
