package api

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
)

// TestTokensOfNobody gives every operation that has pages a token that it has not given, which AWS refuses as well.
func TestTokensOfNobody(t *testing.T) {
	f := newFunctions(t)
	f.create("f")
	const managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
	required := map[string]string{"ListPolicyVersions": "PolicyArn=" + managed, "ListEntitiesForPolicy": "PolicyArn=" + managed}
	for _, op := range []string{"ListRolePolicies", "ListAttachedRolePolicies", "ListRoleTags", "ListInstanceProfilesForRole"} {
		required[op] = "RoleName=f"
	}
	own := *answer(awsiam.NewFromConfig(f.Config).CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{
		PolicyName:     aws.String("own"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}`),
	}))(t).Policy.Arn
	required["ListPolicyTags"] = "PolicyArn=" + own
	asked := map[string]int{}
	holds := func(op wire.Spec, method, path, body, parameter string, want ...string) {
		t.Helper()
		var header []string
		if body != "" {
			header = []string{"Content-Type", "application/x-www-form-urlencoded"}
		}
		res, text := f.raw(method, path, body, header...)
		text += res.Header.Get("X-Amzn-ErrorType")
		if strings.Contains(text, parameter+" is not recognized") {
			return // it has no pages
		}
		asked[op.Service.Name]++
		for _, part := range want {
			if res.StatusCode != 400 || !strings.Contains(text, part) {
				t.Errorf("%s's %s: %d %s, want %q", op.Service.Name, op.Name, res.StatusCode, text, want)
			}
		}
	}
	form := func(op wire.Spec, more string) string {
		return "Action=" + op.Name + "&Version=" + op.Service.Version + "&" + more
	}
	for _, op := range ec2api.Operations() {
		holds(op, "POST", "/", form(op, "NextToken=junk"), "NextToken", "<Code>InvalidParameterValue</Code>",
			"Value ( junk ) for parameter NextToken is invalid. The token is invalid.")
	}
	for _, op := range iamapi.Operations() {
		holds(op, "POST", "/", form(op, "Marker=junk&"+required[op.Name]), "Marker",
			"<Code>ValidationError</Code>", "Invalid Marker: junk")
	}
	for _, op := range lambdaapi.Operations() {
		if op.Method != "GET" {
			continue
		}
		path := regexp.MustCompile(`\{\w+\+?\}`).ReplaceAllString(op.URI, "f")
		query := "?"
		if strings.Contains(path, "?") {
			query = "&"
		}
		holds(op, "GET", path+query+"Marker=junk", "", "Marker", invalid, "Marker is none that this list has given")
	}
	if got := fmt.Sprint(asked); got != "map[ec2:11 iam:10 lambda:8]" {
		t.Errorf("%s operations have pages", got)
	}
}

// Pages go on where they were though all that was shown is deleted meanwhile, which people do who clean up.
func TestPagesOfWhatIsDeleted(t *testing.T) {
	r := newRegion(t)
	ctx, c := t.Context(), awsiam.NewFromConfig(r.Config)
	for i := range 7 {
		name := fmt.Sprint("role-", i)
		answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t)
	}
	var seen []string
	for in := (&awsiam.ListRolesInput{MaxItems: aws.Int32(3)}); ; {
		page := answer(c.ListRoles(ctx, in))(t)
		for _, role := range page.Roles {
			seen = append(seen, *role.RoleName)
			answer(c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role.RoleName}))(t)
		}
		if in.Marker = page.Marker; in.Marker == nil {
			break
		}
	}
	equal(t, "roles", strings.Join(seen, " "), "role-0 role-1 role-2 role-3 role-4 role-5 role-6")

	vpc := r.vpc("10.0.0.0/16")
	for i := range 7 {
		r.subnet(vpc, fmt.Sprintf("10.0.%d.0/24", i))
	}
	gone := map[string]bool{}
	for in := (&awsec2.DescribeSubnetsInput{MaxResults: aws.Int32(5)}); ; {
		page := answer(r.ec2().DescribeSubnets(ctx, in))(t)
		for _, subnet := range page.Subnets {
			gone[*subnet.SubnetId] = true
			answer(r.ec2().DeleteSubnet(ctx, &awsec2.DeleteSubnetInput{SubnetId: subnet.SubnetId}))(t)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	equal(t, "subnets", len(gone), 7)
}

// Versions are ordered by number: 9 before 10, or 10 before 9.
func TestPagesOfVersions(t *testing.T) {
	var all []lambda.FunctionConfiguration
	want := ""
	for _, name := range []string{"f", "f-2", "g"} {
		for version := range strings.FieldsSeq("$LATEST 1 2 9 10 11 100") {
			arn := "arn:aws:lambda:us-east-1:123456789012:function:" + name + ":" + version
			all = append(all, lambda.FunctionConfiguration{FunctionName: name, Version: version, FunctionARN: arn})
			want += name + " " + version + "\n"
		}
	}
	got := ""
	for marker := (*string)(nil); ; {
		page, next, err := functionPage("ListFunctions", all, marker, aws.Int32(2))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			got += *c.FunctionName + " " + *c.Version + "\n"
		}
		if marker = next; next == nil {
			break
		}
	}
	equal(t, "functions", got, want)

	versions := []iam.PolicyVersion{{VersionID: "v11"}, {VersionID: "v10"}, {VersionID: "v9"}}
	first, next, err := listing("ListPolicyVersions", slices.Clone(versions), newestFirst, nil, aws.Int32(2))
	if err != nil {
		t.Fatal(err)
	}
	rest, next, err := listing("ListPolicyVersions", versions[2:], newestFirst, next, nil) // v11 and v10 are deleted
	if err != nil || next != nil {
		t.Fatal(next, err)
	}
	equal(t, "policy versions", first[0].VersionID+" "+first[1].VersionID+" "+rest[0].VersionID, "v11 v10 v9")
}
