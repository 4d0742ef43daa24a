package iam

import (
	"cmp"
	"sync"
	"time"
)

// ManagedPolicy is one of AWS's policies that the lab knows.
type ManagedPolicy struct {
	PolicyName       string
	PolicyID         string
	ARN              string
	Path             string
	DefaultVersionID string
	Description      string
	CreateDate       time.Time
	UpdateDate       time.Time
	AttachmentCount  int // roles of the lab that have it
	Document         string

	parsed document
}

// managed are the policies by ARN, with their documents as
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html has them. They are read when they are
// first needed, which most of the program's verbs never do.
var managed = sync.OnceValue(func() map[string]ManagedPolicy {
	byARN := map[string]ManagedPolicy{}
	for _, p := range []ManagedPolicy{
		{
			PolicyName: "AWSLambdaVPCAccessExecutionRole", Path: "/service-role/", PolicyID: "ANPAJVTME3YLVNL72YR2K", DefaultVersionID: "v3",
			Description: "Provides minimum permissions for a Lambda function to execute while accessing a resource within a VPC - create, describe, delete network interfaces and write permissions to CloudWatch Logs.",
			CreateDate:  time.Date(2016, 2, 11, 23, 15, 26, 0, time.UTC), UpdateDate: time.Date(2024, 1, 5, 22, 38, 0, 0, time.UTC),
			Document: `{"Version":"2012-10-17","Statement":[{"Sid":"AWSLambdaVPCAccessExecutionPermissions","Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}]}`,
		},
		{
			PolicyName: "AWSLambdaBasicExecutionRole", Path: "/service-role/", PolicyID: "ANPAJNCQGXC42545SKXIK", DefaultVersionID: "v1",
			Description: "Provides write permissions to CloudWatch Logs.",
			CreateDate:  time.Date(2015, 4, 9, 15, 3, 43, 0, time.UTC),
			Document:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
		},
		{
			PolicyName: "AdministratorAccess", Path: "/", PolicyID: "ANPAIWMBCKSKIEE64ZLYK", DefaultVersionID: "v1",
			Description: "Provides full access to AWS services and resources.",
			CreateDate:  time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC),
			Document:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		},
	} {
		p.ARN = "arn:aws:iam::aws:policy" + p.Path + p.PolicyName
		p.UpdateDate = cmp.Or(p.UpdateDate, p.CreateDate)
		var err error
		if p.parsed, err = parsePermissions(p.Document); err != nil {
			panic(err) // a constant of this file
		}
		byARN[p.ARN] = p
	}
	return byARN
})

// ManagedPolicyARN finds one of AWS's policies that the lab knows by its name alone, as topologies write it.
func ManagedPolicyARN(name string) (arn string, ok bool) {
	for arn, p := range managed() {
		if p.PolicyName == name {
			return arn, true
		}
	}
	return "", false
}
