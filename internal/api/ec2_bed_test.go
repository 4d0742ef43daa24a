package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/nstest"
	"enilab/internal/wire"
	"enilab/internal/wire/wiretest"
	"enilab/netlab"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// region is a lab's EC2, IAM and STS on a network of the test's own, as clients see them.
type region struct {
	testing.TB
	Network *netlab.Lab
	aws.Config
}

func newRegion(t testing.TB) *region {
	t.Helper()
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	lab := netlab.NewLab()
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Config{EC2: ec2.New(ec2.Config{Network: lab}), IAM: iam.New(iam.Config{}), Account: "123456789012", Region: "us-east-1"}
	server := wire.New(wire.Config{Region: "us-east-1", Authorize: c.authorize})
	registerEC2(server, c)
	registerIAM(server, c)
	registerSTS(server, c)
	front := httptest.NewServer(wire.As(wire.Caller{Access: wire.Free}, server))
	t.Cleanup(front.Close)
	return &region{t, lab, aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		HTTPClient:  wiretest.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}}
}

func (r *region) ec2() *awsec2.Client { return awsec2.NewFromConfig(r.Config) }

// answer is a call's answer, which must be a success.
func answer[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused holds that a call failed with a code.
func refused[T any](_ T, err error) func(t testing.TB, code string) {
	return func(t testing.TB, code string) {
		t.Helper()
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (r *region) vpc(cidr string) string {
	r.Helper()
	return *answer(r.ec2().CreateVpc(r.Context(), &awsec2.CreateVpcInput{CidrBlock: &cidr}))(r).Vpc.VpcId
}

func (r *region) subnet(vpc, cidr string) string {
	r.Helper()
	return *answer(r.ec2().CreateSubnet(r.Context(), &awsec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: &cidr}))(r).Subnet.SubnetId
}

func (r *region) group(vpc, name string) string {
	r.Helper()
	return *answer(r.ec2().CreateSecurityGroup(r.Context(), &awsec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name}))(r).GroupId
}

func named(resource ec2types.ResourceType, name string) []ec2types.TagSpecification {
	return []ec2types.TagSpecification{{ResourceType: resource, Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: &name}}}}
}

func filter(name string, values ...string) []ec2types.Filter {
	return []ec2types.Filter{{Name: &name, Values: values}}
}
