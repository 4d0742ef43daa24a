package api

import (
	"fmt"
	"net/url"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func decoded(t *testing.T, document *string) string {
	t.Helper()
	return answer(url.PathUnescape(*document))(t) // PathUnescape: in IAM's encoding a plus is a plus
}

func TestRoles(t *testing.T) {
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	in := &awsiam.CreateRoleInput{
		RoleName: aws.String("f"), Path: aws.String("/lab/"), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust), Description: aws.String("a + b"),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}},
	}
	made := answer(c.CreateRole(ctx, in))(t).Role
	equal(t, "arn", *made.Arn, "arn:aws:iam::123456789012:role/lab/f")
	equal(t, "trust", decoded(t, made.AssumeRolePolicyDocument), iam.LambdaTrust)
	equal(t, "tag", *made.Tags[0].Key+*made.Tags[0].Value, "teamx")
	equal(t, "id", (*made.RoleId)[:4], "AROA")

	got := answer(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: in.RoleName}))(t).Role
	equal(t, "role", *got.RoleId+" "+*got.Path+" "+*got.Description, *made.RoleId+" /lab/ a + b")
	equal(t, "session", *got.MaxSessionDuration, 3600)
	equal(t, "created", *got.CreateDate, *made.CreateDate)

	for i := range 5 {
		answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String(fmt.Sprint("r", i)), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t)
	}
	var names string
	pages := awsiam.NewListRolesPaginator(c, &awsiam.ListRolesInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, role := range answer(pages.NextPage(ctx))(t).Roles {
			names += *role.RoleName + " "
			equal(t, "tags of a list", len(role.Tags), 0)
			answer(c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role.RoleName}))(t) // as who cleans up does
		}
	}
	equal(t, "names", names, "f r0 r1 r2 r3 r4 ")
	equal(t, "none left", len(answer(c.ListRoles(ctx, &awsiam.ListRolesInput{PathPrefix: aws.String("/lab/")}))(t).Roles), 0)

	refused(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: in.RoleName}))(t, "NoSuchEntity")
	refused(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: in.RoleName, AssumeRolePolicyDocument: aws.String("{")}))(t, "MalformedPolicyDocument")
	refused(c.ListRoles(ctx, &awsiam.ListRolesInput{MaxItems: aws.Int32(1001)}))(t, "ValidationError")
	refused(c.ListRoles(ctx, &awsiam.ListRolesInput{Marker: aws.String("?")}))(t, "ValidationError")
	in.PermissionsBoundary = aws.String("arn:aws:iam::aws:policy/AdministratorAccess")
	refused(c.CreateRole(ctx, in))(t, "InvalidInput")
	in.PermissionsBoundary, in.Tags = nil, append(in.Tags, types.Tag{Key: aws.String("TEAM"), Value: aws.String("y")})
	refused(c.CreateRole(ctx, in))(t, "InvalidInput")
}

func TestRolePolicies(t *testing.T) {
	const (
		document = `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"ec2:*",  "Resource":"*"}]}`
		access   = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
		basic    = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	)
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	role, policy := aws.String("f"), aws.String("inline")
	answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t)

	answer(c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: role, PolicyName: policy, PolicyDocument: aws.String(document)}))(t)
	got := answer(c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: role, PolicyName: policy}))(t)
	equal(t, "document", decoded(t, got.PolicyDocument), document)
	equal(t, "names", *got.RoleName+" "+*got.PolicyName, "f inline")
	equal(t, "inline", answer(c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: role}))(t).PolicyNames[0], "inline")
	refused(c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role}))(t, "DeleteConflict")
	answer(c.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: role, PolicyName: policy}))(t)
	refused(c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: role, PolicyName: policy}))(t, "NoSuchEntity")
	refused(c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: aws.String("none")}))(t, "NoSuchEntity")

	for _, arn := range []string{access, basic} {
		answer(c.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: &arn}))(t)
	}
	first := answer(c.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: role, MaxItems: aws.Int32(1)}))(t)
	equal(t, "first", *first.AttachedPolicies[0].PolicyArn, basic)
	equal(t, "truncated", first.IsTruncated, true)
	second := answer(c.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: role, Marker: first.Marker}))(t)
	equal(t, "second", *second.AttachedPolicies[0].PolicyName, "AWSLambdaVPCAccessExecutionRole")
	equal(t, "complete", second.IsTruncated, false)
	p := answer(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: aws.String(access)}))(t).Policy
	equal(t, "policy", *p.PolicyName+" "+*p.Path+" "+*p.DefaultVersionId, "AWSLambdaVPCAccessExecutionRole /service-role/ v3")
	equal(t, "attachments", *p.AttachmentCount, 1)
	answer(c.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(access)}))(t)
	refused(c.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(access)}))(t, "NoSuchEntity")
	refused(c.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String("arn:aws:iam::aws:policy/None")}))(t, "NoSuchEntity")
	refused(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/NoSuchPolicy")}))(t, "NoSuchEntity")
}
