package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// awsPolicies are policies that AWS has in every account: those of functions' roles, and common ones around them. Each row
// has the statements of the policy's page, https://docs.aws.amazon.com/aws-managed-policy/latest/reference/NAME.html.
var awsPolicies = []awsPolicy{
	{"/service-role/", "AWSLambdaBasicExecutionRole", "v1", allow(logging...)},
	{"/service-role/", "AWSLambdaVPCAccessExecutionRole", "v3", allow(with(logging, append([]string{"ec2:DescribeSubnets"}, interfaces...)...)...)},
	{"/service-role/", "AWSLambdaENIManagementAccess", "v2", allow(interfaces...)},
	{"/service-role/", "AWSLambdaSQSQueueExecutionRole", "v1", allow(with(logging, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")...)},
	{"/service-role/", "AWSLambdaDynamoDBExecutionRole", "v1", allow(with(logging, streams...)...)},
	{"/service-role/", "AWSLambdaKinesisExecutionRole", "v2", allow(with(logging,
		"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard")...)},
	{"/service-role/", "AWSLambdaMSKExecutionRole", "v2", allow(with(logging,
		"kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers",
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups")...)},
	{"/service-role/", "AWSLambdaRole", "v1", allow("lambda:InvokeFunction")},
	{"/", "AWSLambdaExecute", "v1", []statementText{on("arn:aws:logs:*:*:*", "logs:*"), on("arn:aws:s3:::*", "s3:GetObject", "s3:PutObject")}},
	{"/", "AWSLambda_FullAccess", "v7", []statementText{
		on("*", "cloudformation:DescribeStacks", "cloudformation:ListStackResources", "cloudwatch:ListMetrics", "cloudwatch:GetMetricData",
			"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "kms:ListAliases", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy",
			"iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "lambda:*", "logs:DescribeLogGroups", "states:DescribeStateMachine", "states:ListStateMachines",
			"tag:GetResources", "xray:GetTraceSummaries", "xray:BatchGetTraces"),
		{Effect: "Allow", Action: []string{"iam:PassRole"}, Resource: "*", Condition: map[string]map[string]string{"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
		on("arn:aws:logs:*:*:log-group:/aws/lambda/*", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"),
	}},
	{"/", "AWSLambda_ReadOnlyAccess", "v5", allow("cloudformation:DescribeStacks", "cloudformation:ListStacks", "cloudformation:ListStackResources", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics",
		"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "kms:ListAliases", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy",
		"iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "lambda:Get*", "lambda:List*", "logs:DescribeLogGroups", "states:DescribeStateMachine", "states:ListStateMachines",
		"tag:GetResources", "xray:GetTraceSummaries", "xray:BatchGetTraces")},
	{"/", "CloudWatchLambdaInsightsExecutionRolePolicy", "v1", []statementText{
		on("*", "logs:CreateLogGroup"), on("arn:aws:logs:*:*:log-group:/aws/lambda-insights:*", "logs:CreateLogStream", "logs:PutLogEvents"),
	}},
	{"/", "AWSXRayDaemonWriteAccess", "v2", allow("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries")},
	{"/", "AWSXrayFullAccess", "v2", allow("xray:*")},
	{"/", "AWSStepFunctionsFullAccess", "v1", allow("states:*")},
	{"/", "AdministratorAccess", "v1", allow("*")},
	{"/", "PowerUserAccess", "v12", []statementText{
		{Effect: "Allow", NotAction: []string{"iam:*", "organizations:*", "account:*"}, Resource: "*"},
		on("*", "account:GetAccountInformation", "account:ListRegions", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization"),
	}},
	{"/", "IAMReadOnlyAccess", "v4", allow("iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy")},
	{"/", "AmazonEC2FullAccess", "v5", []statementText{
		on("*", "ec2:*"), on("*", "elasticloadbalancing:*"), on("*", "cloudwatch:*"), on("*", "autoscaling:*"),
	}},
	{"/", "AmazonEC2ReadOnlyAccess", "v5", []statementText{
		on("*", "ec2:Describe*", "ec2:GetSecurityGroupsForVpc"), on("*", "elasticloadbalancing:Describe*"),
		on("*", "cloudwatch:ListMetrics", "cloudwatch:GetMetricStatistics", "cloudwatch:Describe*"), on("*", "autoscaling:Describe*"),
	}},
	{"/", "AmazonS3FullAccess", "v2", allow("s3:*", "s3-object-lambda:*")},
	{"/", "AmazonS3ReadOnlyAccess", "v3", allow("s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*")},
	{"/", "AmazonSQSFullAccess", "v1", allow("sqs:*")},
	{"/", "AmazonSESFullAccess", "v1", allow("ses:*")},
	{"/", "AmazonKinesisFullAccess", "v1", allow("kinesis:*")},
	{"/", "AmazonKinesisReadOnlyAccess", "v1", allow("kinesis:Get*", "kinesis:List*", "kinesis:Describe*")},
	{"/", "AmazonElastiCacheReadOnlyAccess", "v1", allow("elasticache:Describe*")},
	{"/", "AmazonElasticFileSystemClientReadWriteAccess", "v1", allow("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite", "elasticfilesystem:DescribeMountTargets")},
	{"/", "AmazonSSMReadOnlyAccess", "v1", allow("ssm:Describe*", "ssm:Get*", "ssm:List*")},
	{"/service-role/", "AmazonAPIGatewayPushToCloudWatchLogs", "v1", allow(with(logging, "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents")...)},
	{"/service-role/", "AmazonECSTaskExecutionRolePolicy", "v1", allow("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage",
		"logs:CreateLogStream", "logs:PutLogEvents")},
}

// What several of them have.
var (
	logging    = []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	interfaces = []string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}
	streams    = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
)

// awsPolicy is a row of awsPolicies: a policy in its version in force.
type awsPolicy struct {
	path, name, version string
	statements          []statementText
}

// statementText is a statement as a policy's JSON has it.
type statementText struct {
	Effect    string
	Action    []string `json:",omitempty"`
	NotAction []string `json:",omitempty"`
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func with(actions []string, more ...string) []string {
	return append(append([]string(nil), actions...), more...)
}

func on(resource string, actions ...string) statementText {
	return statementText{Effect: "Allow", Action: actions, Resource: resource}
}

func allow(actions ...string) []statementText { return []statementText{on("*", actions...)} }

// since is the date that all of them show: AWS's dates of each are of no consequence here.
var since = time.Date(2015, time.February, 6, 18, 39, 46, 0, time.UTC)

// managedPolicy is a policy of AWS's.
type managedPolicy struct {
	Policy
	document string
	parsed   func() document // at the first question: few of them are ever asked about
}

// managed are AWS's policies by ARN. They are made when they are first needed, which most of the program's verbs never do.
var managed = sync.OnceValue(func() map[string]managedPolicy {
	byARN := map[string]managedPolicy{}
	for _, p := range awsPolicies {
		arn := "arn:aws:iam::aws:policy" + p.path + p.name
		id := sha256.Sum256([]byte(arn))
		text, err := json.Marshal(struct {
			Version   string
			Statement []statementText
		}{"2012-10-17", p.statements})
		if err != nil {
			panic(fmt.Errorf("%s: %w", p.name, err)) // a constant of the program
		}
		byARN[arn] = managedPolicy{
			Policy: Policy{
				PolicyName: p.name, PolicyID: "ANPA" + base32.StdEncoding.EncodeToString(id[:])[:17], ARN: arn, Path: p.path,
				DefaultVersionID: p.version, CreateDate: since, UpdateDate: since,
			},
			document: string(text),
			parsed: sync.OnceValue(func() document {
				d, err := parsePermissions(string(text))
				if err != nil {
					panic(fmt.Errorf("%s: %w", p.name, err)) // a constant of the program; a test reads them all
				}
				return d
			}),
		}
	}
	return byARN
})

func (p managedPolicy) text() string { return p.document }
