package main

// service says which operations of a model become a package.
type service struct {
	pkg, model string
	operations []string
	maxBody    map[string]int64  // the largest request in bytes, where the protocol's default is not it
	most       map[string]string // shape → the largest value that is for anybody, where the model has one for a few
	open       map[string]bool   // enums that are not closed: the service itself looks at the value
}

// AWS refuses a larger upload with "Request must be smaller than 70167211 bytes for the CreateFunction operation"
// (https://github.com/localstack/docs/pull/933), and a larger event with "Request must be smaller than 6291456 bytes for
// the InvokeFunction operation" (https://github.com/awslabs/aws-athena-query-federation/issues/793).
const (
	maxUpload = 70_167_211
	maxEvent  = 6 << 20
)

var services = []service{
	{
		pkg: "lambdaapi", model: "lambda/2015-03-31",
		operations: []string{
			"CreateFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionConfiguration", "UpdateFunctionCode", "DeleteFunction",
			"ListFunctions", "Invoke", "PublishVersion", "ListVersionsByFunction", "PutFunctionConcurrency", "GetFunctionConcurrency",
			"DeleteFunctionConcurrency", "GetAccountSettings", "ListTags", "TagResource", "UntagResource",
			"AddPermission", "GetPolicy", "RemovePermission", "CreateAlias", "GetAlias", "ListAliases", "UpdateAlias", "DeleteAlias",
			"PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig",
			"DeleteFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs", "GetFunctionCodeSigningConfig", "GetFunctionRecursionConfig", "GetRuntimeManagementConfig",
			"PublishLayerVersion", "GetLayerVersion", "GetLayerVersionByArn", "ListLayers", "ListLayerVersions", "DeleteLayerVersion",
			"CreateFunctionUrlConfig", "GetFunctionUrlConfig", "ListFunctionUrlConfigs", "ListEventSourceMappings",
		},
		maxBody: map[string]int64{"CreateFunction": maxUpload, "UpdateFunctionCode": maxUpload, "PublishLayerVersion": maxUpload, "Invoke": maxEvent},
		// The model has the limits of functions with a capacity provider.
		// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
		most: map[string]string{"Timeout": "900", "MemorySize": "10240"},
		// "Value x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: […] or be a valid ARN" is an
		// InvalidParameterValueException (recorded by LocalStack, test_lambda_api.snapshot.json).
		open: map[string]bool{"Runtime": true},
	},
	{
		pkg: "ec2api", model: "ec2/2016-11-15",
		operations: []string{
			"CreateVpc", "DescribeVpcs", "DeleteVpc", "ModifyVpcAttribute", "DescribeVpcAttribute",
			"CreateSubnet", "DescribeSubnets", "DeleteSubnet", "ModifySubnetAttribute",
			"CreateSecurityGroup", "DescribeSecurityGroups", "DeleteSecurityGroup", "DescribeSecurityGroupRules",
			"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
			"ModifySecurityGroupRules", "UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress",
			"CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface", "DetachNetworkInterface",
			"ModifyNetworkInterfaceAttribute", "DescribeNetworkInterfaceAttribute",
			"DescribeRouteTables", "DescribeNetworkAcls", "DescribeDhcpOptions", "DescribePrefixLists", "DescribeManagedPrefixLists",
			"CreateTags", "DeleteTags", "DescribeTags",
			"DescribeAvailabilityZones", "DescribeRegions", "DescribeAccountAttributes",
		},
	},
	{
		pkg: "iamapi", model: "iam/2010-05-08",
		operations: []string{
			"CreateRole", "GetRole", "DeleteRole", "ListRoles", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy",
			"TagRole", "UntagRole", "ListRoleTags", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "ListInstanceProfilesForRole",
			"PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies",
			"AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies",
			"CreatePolicy", "GetPolicy", "DeletePolicy", "ListPolicies", "ListEntitiesForPolicy", "TagPolicy", "UntagPolicy", "ListPolicyTags",
			"CreatePolicyVersion", "GetPolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "SetDefaultPolicyVersion",
			"ListAccountAliases", "GetUser",
		},
	},
	{pkg: "stsapi", model: "sts/2011-06-15", operations: []string{"GetCallerIdentity", "AssumeRole"}},
}
