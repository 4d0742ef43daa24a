package daemon

import (
	"strings"
	"testing"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
)

// What a topology declares and the API has changed, a dry run names and `up` sets back.
func TestUpSetsBackWhatTheAPIHasChanged(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	const text = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [tcp 80 from 10.0.0.0/8]}}
roles:
  role-a: {policies: [AWSLambdaVPCAccessExecutionRole]}
layers:
  layer-a: a.zip
functions:
  fn-a:
    {code: a.zip, role: role-a, layers: [layer-a], memory: 128, timeout: 3s, environment: {ONE: "1"}, concurrency: 5,
     vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
`
	if a := b.up(t.Context(), text, false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	const allow = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	port := 443
	type input = lambda.UpdateFunctionConfigurationInput
	configure := func(edit func(*input)) func() error {
		return func() error {
			in := input{FunctionName: "fn-a"}
			edit(&in)
			_, err := b.lab.Lambda.UpdateFunctionConfiguration(t.Context(), in)
			return err
		}
	}
	for name, test := range map[string]struct {
		change func() error
		want   string // the step, and the field
	}{
		"trust": {func() error {
			return b.iam.UpdateAssumeRolePolicy("role-a", strings.Replace(iam.LambdaTrust, "lambda", "ec2", 1))
		}, "change role role-a: trust "},
		"boundary": {func() error {
			return b.iam.PutRolePermissionsBoundary("role-a", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		}, "change role role-a: permissionsBoundary "},
		"attached": {func() error {
			return b.iam.AttachRolePolicy("role-a", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		}, "change role role-a: policies "},
		"detached": {func() error {
			return b.iam.DetachRolePolicy("role-a", "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole")
		}, "change role role-a: policies "},
		"inline": {func() error { return b.iam.PutRolePolicy("role-a", "own", allow) }, "change role role-a: inline "},
		"rules": {func() error {
			anybody := []ec2.IPRange{{CidrIP: "0.0.0.0/0"}}
			rules := []ec2.IPPermission{{IPProtocol: "tcp", FromPort: &port, ToPort: &port, IPRanges: anybody}}
			return b.ec2.SetSecurityGroupRules(t.Context(), "sg-a", rules, nil)
		}, "change security-group sg-a: egress "},
		"layer": {func() error {
			_, err := b.lab.Lambda.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: "layer-a", StoreKey: "b.zip"})
			return err
		}, "change layer layer-a: content "},
		"code": {func() error {
			_, err := b.lab.Lambda.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "fn-a", StoreKey: "b.zip"})
			return err
		}, "change function fn-a: code "},
		"memory":  {configure(func(in *input) { in.MemorySize = new(256) }), "change function fn-a: memory "},
		"timeout": {configure(func(in *input) { in.Timeout = new(4 * time.Second) }), "change function fn-a: timeout "},
		"environment": {configure(func(in *input) {
			in.Environment = map[string]string{"TWO": "2"}
		}), "change function fn-a: environment."},
		"handler": {configure(func(in *input) { in.Handler = new("other") }), "change function fn-a: handler "},
		"layers": {configure(func(in *input) {
			in.Layers = new([]string)
		}), "change function fn-a: layers "},
		"vpc": {configure(func(in *input) { in.VpcConfig = new(lambda.VpcConfig) }), "change function fn-a: securityGroups "},
		"mode": {configure(func(in *input) {
			in.Mode = new(lambda.Legacy)
		}), "change function fn-a: mode "},
		"reserved":   {func() error { return b.lab.Lambda.PutFunctionConcurrency("fn-a", 7) }, "change function fn-a: concurrency "},
		"unreserved": {func() error { return b.lab.Lambda.DeleteFunctionConcurrency("fn-a") }, "change function fn-a: concurrency "},
		"deleted":    {func() error { return b.lab.Lambda.DeleteFunction(lambda.FunctionRef{Name: "fn-a"}) }, "create function fn-a: "},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, test.change())
			_ = b.lab.Lambda.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: "fn-a"})
			dry := b.up(t.Context(), text, true)
			if dry.err != nil || len(dry.lines) != 1 || !strings.HasPrefix(dry.lines[0], test.want) {
				t.Errorf("a dry run says %q, %v; want %q", dry.lines, dry.err, test.want)
			}
			if a := b.up(t.Context(), text, false); a.err != nil || len(a.failed) > 0 {
				t.Fatalf("%+v", a)
			}
			b.wantAs(t, text)
			must(t, b.iam.RoleExists("role-a"))
		})
	}
}

// A role of a topology's name that the API has made under a path is another one, and cannot become the topology's.
func TestRoleUnderAPath(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	_, err := b.iam.CreateRole(iam.CreateRoleInput{RoleName: "role-a", Path: "/team/", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	const text = "roles: {role-a: {policies: [AWSLambdaVPCAccessExecutionRole]}}\nfunctions: {fn-a: {code: a.zip, role: role-a}}\n"
	const want = "bed.lab.yml:1:9: role role-a: there is one that the API has made with the path /team/"
	if a := b.up(t.Context(), text, false); a.err == nil || !strings.HasPrefix(a.err.Error(), want) {
		t.Fatalf("%+v", a)
	}
	must(t, b.iam.DeleteRole("role-a"))
	if a := b.up(t.Context(), text, false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
}
