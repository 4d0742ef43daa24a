package api

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
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
