package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestGetCallerIdentity(t *testing.T) {
	r := newRegion(t)
	who := answer(sts.NewFromConfig(r.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	equal(t, "user", *who.Account+" "+*who.Arn+" "+*who.UserId, "123456789012 arn:aws:iam::123456789012:user/AKIAEXAMPLE AIDAEXAMPLE")
	r.Config.Credentials = aws.AnonymousCredentials{}
	who = answer(sts.NewFromConfig(r.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	equal(t, "root", *who.Arn+" "+*who.UserId, "arn:aws:iam::123456789012:root 123456789012")
}

// Temporary credentials of a role are its session, whoever uses them.
func TestAssumeRole(t *testing.T) {
	r := newRegion(t)
	ctx, c := t.Context(), sts.NewFromConfig(r.Config)
	trust := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`
	role := answer(awsiam.NewFromConfig(r.Config).CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("deployer"), AssumeRolePolicyDocument: &trust}))(t).Role
	made := answer(c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("ci"), SourceIdentity: aws.String("me")}))(t)
	equal(t, "session", *made.AssumedRoleUser.Arn+" "+*made.AssumedRoleUser.AssumedRoleId, "arn:aws:sts::123456789012:assumed-role/deployer/ci "+*role.RoleId+":ci")
	equal(t, "source", *made.SourceIdentity, "me")

	r.Config.Credentials = credentials.NewStaticCredentialsProvider(*made.Credentials.AccessKeyId, *made.Credentials.SecretAccessKey, *made.Credentials.SessionToken)
	in := sts.NewFromConfig(r.Config)
	who := answer(in.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	equal(t, "caller", *who.Arn+" "+*who.UserId, *made.AssumedRoleUser.Arn+" "+*made.AssumedRoleUser.AssumedRoleId)
	refused(awsiam.NewFromConfig(r.Config).GetUser(ctx, &awsiam.GetUserInput{}))(t, "ValidationError")
	presigned := answer(sts.NewPresignClient(in).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	got := answer(http.Get(presigned.URL))(t) //nolint:noctx // a test
	defer got.Body.Close()
	if text := answer(io.ReadAll(got.Body))(t); !strings.Contains(string(text), *made.AssumedRoleUser.Arn) {
		t.Errorf("a presigned request's caller: %s", text)
	}
	answer(in.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("again")}))(t)

	r.Config.Credentials = credentials.NewStaticCredentialsProvider("ASIAFROMELSEWHERE000", "secret", "token")
	who = answer(sts.NewFromConfig(r.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	equal(t, "from elsewhere", *who.Arn, "arn:aws:iam::123456789012:user/ASIAFROMELSEWHERE000")
	lambdaOnly := answer(awsiam.NewFromConfig(r.Config).CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("f"), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t).Role
	refused(c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: lambdaOnly.Arn, RoleSessionName: aws.String("ci")}))(t, "AccessDenied")
}
