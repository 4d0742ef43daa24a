package wire_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/lambdaapi"
)

// TestCLI lets Debian's AWS CLI talk to the server, where it is installed.
func TestCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("the AWS CLI takes a second for each call")
	}
	const cli = "/usr/bin/aws"
	if _, err := os.Stat(cli); err != nil {
		t.Skipf("%v: apt-get install awscli", err)
	}
	var describe *answering[ec2api.DescribeNetworkInterfacesRequest, ec2api.DescribeNetworkInterfacesResult]
	url := serveTo(t, keyed, wire.Config{}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.Invoke, echo)
		respond(s, lambdaapi.GetFunction, nil, &wire.Error{Code: "ResourceNotFoundException", Message: "Function not found: f", HTTPStatus: 404})
		describe = respond(s, ec2api.DescribeNetworkInterfaces, &ec2api.DescribeNetworkInterfacesResult{
			NetworkInterfaces: []ec2api.NetworkInterface{{NetworkInterfaceId: new("eni-1"), TagSet: []ec2api.Tag{}}},
		}, nil)
	})
	for _, c := range []struct{ args, want string }{
		{"ec2 describe-network-interfaces --filters Name=description,Values=AWS*,b Name=status,Values=in-use", `"NetworkInterfaceId": "eni-1"`},
		{`lambda invoke --function-name arn:aws:lambda:eu-west-1:123456789012:function:f --cli-binary-format raw-in-base64-out --payload {"n":1} /dev/stdout`, `{"n":1}`},
		{"lambda get-function --function-name f", "(ResourceNotFoundException) when calling the GetFunction operation: Function not found: f"},
		{"ec2 describe-instances", "(InvalidAction)"},
	} {
		cmd := exec.CommandContext(t.Context(), cli, append([]string{"--endpoint-url", url}, strings.Fields(c.args)...)...)
		cmd.Env = []string{
			"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
			"AWS_DEFAULT_REGION=eu-west-1", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		}
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), c.want) {
			t.Errorf("aws %s: %s, want %s", c.args, out, c.want)
		}
	}
	same(t, "filters", describe.in.Filters, []ec2api.Filter{{Name: new("description"), Values: []string{"AWS*", "b"}}, {Name: new("status"), Values: []string{"in-use"}}})
}
