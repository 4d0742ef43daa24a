package wire_test

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares whole answers with what AWS's look like.
func TestGolden(t *testing.T) {
	refused := errors.New("secret: /var/lib/state.db is gone")
	url := serve(t, wire.Config{}, func(s *wire.Server) {
		respond(s, ec2api.DescribeSecurityGroups, &ec2api.DescribeSecurityGroupsResult{SecurityGroups: []ec2api.SecurityGroup{{
			GroupId: new("sg-1"), GroupName: new("web & <more>"), Tags: []ec2api.Tag{{Key: new("k"), Value: new("")}},
			IpPermissions:       []ec2api.IpPermission{{IpProtocol: new("-1"), IpRanges: []ec2api.IpRange{{CidrIp: new("0.0.0.0/0")}}, UserIdGroupPairs: []ec2api.UserIdGroupPair{}}},
			IpPermissionsEgress: []ec2api.IpPermission{},
		}}}, nil)
		respond(s, ec2api.DescribeVpcs, nil, nil)
		respond(s, ec2api.DeleteVpc, nil, nil)
		respond(s, ec2api.CreateNetworkInterface, &ec2api.CreateNetworkInterfaceResult{NetworkInterface: &ec2api.NetworkInterface{
			Attachment: &ec2api.NetworkInterfaceAttachment{AttachTime: today, DeviceIndex: new(int32(0)), DeleteOnTermination: new(false)},
		}}, nil)
		respond(s, ec2api.DeleteSubnet, nil, &wire.Error{Code: "DependencyViolation", Message: "The subnet 'a<b' has dependencies and cannot be deleted."})
		respond(s, ec2api.DescribeSubnets, nil, refused)
		respond(s, iamapi.GetRole, &iamapi.GetRoleResponse{Role: &iamapi.Role{RoleName: new("r"), CreateDate: today, Tags: []iamapi.Tag{}}}, nil)
		respond(s, iamapi.DeleteRole, nil, nil)
		respond(s, iamapi.ListRoles, &iamapi.ListRolesResponse{IsTruncated: new(false)}, nil)
		respond(s, iamapi.GetPolicy, nil, &wire.Error{Code: "NoSuchEntity", Message: "Policy p was not found.", HTTPStatus: 404})
		respond(s, iamapi.CreateRole, nil, refused)
		respond(s, lambdaapi.GetFunctionConfiguration, &lambdaapi.FunctionConfiguration{FunctionName: new("f"), Layers: []lambdaapi.Layer{}, Timeout: new(int32(0))}, nil)
		respond(s, lambdaapi.ListFunctions, nil, nil)
		respond(s, lambdaapi.DeleteFunction, &lambdaapi.DeleteFunctionResponse{StatusCode: new(int32(204))}, nil)
		respond(s, lambdaapi.Invoke, &lambdaapi.InvocationResponse{StatusCode: new(int32(200)), Payload: []byte(`"ok"`), ExecutedVersion: new("$LATEST")}, nil)
		respond(s, lambdaapi.GetFunction, nil, &wire.Error{Code: "ResourceNotFoundException", Message: "Function not found: f", HTTPStatus: 404})
		respond(s, lambdaapi.PublishVersion, nil, &wire.Error{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "ConcurrentInvocationLimitExceeded", HTTPStatus: 429})
		respond(s, lambdaapi.GetAccountSettings, nil, refused)
		respond(s, lambdaapi.CreateFunction, nil, nil)
		respond(s, lambdaapi.PutFunctionConcurrency, nil, nil)
	})
	const functions = "/2015-03-31/functions/"
	twice := request(t, "POST", url+functions+"f/invocations", "{}", "X-Amz-Invocation-Type", "Event")
	twice.Header.Add("X-Amz-Invocation-Type", "DryRun")
	for name, r := range map[string]*http.Request{
		"ec2-list":              request(t, "POST", url, "Action=DescribeSecurityGroups&Version=2016-11-15"),
		"ec2-list-absent":       request(t, "POST", url, "Action=DescribeVpcs&Version=2016-11-15"),
		"ec2-none":              request(t, "POST", url, "Action=DeleteVpc&Version=2016-11-15&VpcId=vpc-1"),
		"ec2-structure":         request(t, "POST", url, "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId=s"),
		"ec2-error":             request(t, "POST", url, "Action=DeleteSubnet&Version=2016-11-15&SubnetId=s"),
		"ec2-internal":          request(t, "POST", url, "Action=DescribeSubnets&Version=2016-11-15"),
		"ec2-unknown":           request(t, "POST", url, "Action=RunInstances&Version=2016-11-15"),
		"ec2-missing":           request(t, "POST", url, "Action=DeleteVpc&Version=2016-11-15"),
		"ec2-bad-value":         request(t, "POST", url, "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many"),
		"iam-result":            request(t, "POST", url, "Action=GetRole&Version=2010-05-08&RoleName=r"),
		"iam-none":              request(t, "POST", url, "Action=DeleteRole&Version=2010-05-08&RoleName=r"),
		"iam-list-absent":       request(t, "POST", url, "Action=ListRoles&Version=2010-05-08"),
		"iam-error":             request(t, "POST", url, "Action=GetPolicy&Version=2010-05-08&PolicyArn=arn:aws:iam::aws:policy/p"),
		"iam-internal":          request(t, "POST", url, "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=d"),
		"iam-missing":           request(t, "POST", url, "Action=GetRole&Version=2010-05-08"),
		"iam-unknown":           request(t, "POST", url, "Action=CreateUser&Version=2010-05-08"),
		"ec2-unknown-parameter": request(t, "POST", url, "Action=DescribeVpcs&Version=2016-11-15&Filters.1.Name=vpc-id&Filters.1.Value.1=none"),
		"ec2-twice":             request(t, "POST", url+"?VpcId=vpc-2", "Action=DeleteVpc&Version=2016-11-15&VpcId=vpc-1"),
		"iam-unknown-parameter": request(t, "POST", url, "Action=GetRole&Version=2010-05-08&RoleName=r&Colour=red"),
		"lambda-unknown-member": request(t, "POST", url+"/2015-03-31/functions", `{"FunctionName":"f","VpcConfig":{"Foo":1}}`),
		"lambda-capitals":       request(t, "POST", url+"/2015-03-31/functions", `{"FunctionName":"f","functionname":"g"}`),
		"lambda-twice":          request(t, "POST", url+"/2015-03-31/functions", `{"FunctionName":"f","FunctionName":"g"}`),
		"lambda-unknown-body":   request(t, "DELETE", url+functions+"f", `{"FunctionName":"g"}`),
		"lambda-unknown-query":  request(t, "GET", url+functions+"f/configuration?Colour=red", ""),
		"lambda-query-twice":    request(t, "GET", url+functions+"f/configuration?Qualifier=1&Qualifier=2", ""),
		"lambda-header-twice":   twice,
		"form-unknown":          request(t, "POST", url, "Action=Nothing&Version=2000-01-01"),
		"lambda-body":           request(t, "GET", url+functions+"f/configuration", ""),
		"lambda-list-absent":    request(t, "GET", url+functions, ""),
		"lambda-none":           request(t, "DELETE", url+functions+"f", ""),
		"lambda-invoke":         request(t, "POST", url+functions+"f/invocations", "{}"),
		"lambda-error":          request(t, "GET", url+functions+"f", ""),
		"lambda-reason":         request(t, "POST", url+functions+"f/versions", "{}"),
		"lambda-internal":       request(t, "GET", url+"/2016-08-19/account-settings", ""),
		"lambda-missing":        request(t, "POST", url+"/2015-03-31/functions", `{"FunctionName":"f","Code":{}}`),
		"lambda-bad-json":       request(t, "POST", url+"/2015-03-31/functions", `{"FunctionName":`),
		"lambda-bad-value":      request(t, "PUT", url+"/2017-10-31/functions/f/concurrency", `{"ReservedConcurrentExecutions":"ten"}`),
		"lambda-unknown":        request(t, "GET", url+"/2018-10-31/layers", ""),
		"lambda-other-method":   request(t, "PATCH", url+functions+"f", ""),
		"lambda-signed-at-dir":  request(t, "GET", url+"/", "", "Authorization", "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00"),
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, r)
			id := a.Header.Get("X-Amzn-RequestId")
			var b strings.Builder
			fmt.Fprintf(&b, "%d\n", a.Status)
			for _, h := range []string{"Content-Type", "X-Amzn-ErrorType", "X-Amz-Executed-Version"} {
				if v := a.Header.Get(h); v != "" {
					fmt.Fprintf(&b, "%s: %s\n", h, v)
				}
			}
			fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(a.Body, id, "REQUEST-ID"))
			golden(t, filepath.Join("testdata", name+".txt"), b.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", path, got, want)
	}
}
