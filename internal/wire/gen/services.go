package main

// service says which operations of a model become a package.
type service struct {
	pkg, model string
	operations []string
	maxBody    map[string]int64  // the largest request in bytes, where the protocol's default is not it
	most       map[string]string // shape → the largest value that is for anybody, where the model has one for a few
	open       map[string]bool   // enums that are not closed: the service itself looks at the value

	// values are those of members whose enum is open, and which the service checks in the sentence of one that is closed.
	values map[string][]string
}

// AWS refuses a larger upload with "Request must be smaller than 70167211 bytes for the CreateFunction operation"
// (https://github.com/localstack/docs/pull/933), and a larger event with "Request must be smaller than 6291456 bytes for
// the InvokeFunction operation" (https://github.com/awslabs/aws-athena-query-federation/issues/793).
const (
	maxUpload = 70_167_211
	maxEvent  = 6 << 20
)

// runtimes are the names that Lambda knows, also those that no function can be made with any more: the SDK's, of which a test
// holds that they are these.
var runtimes = []string{
	"nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "nodejs16.x",
	"nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "java8", "java8.al2", "java11", "java17", "java21",
	"java25", "python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "python3.10", "python3.11",
	"python3.12", "python3.13", "python3.14", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
	"dotnet6", "dotnet8", "dotnet10", "nodejs4.3-edge", "go1.x", "ruby2.5", "ruby2.7", "ruby3.2", "ruby3.3",
	"ruby3.4", "ruby4.0", "provided", "provided.al2", "provided.al2023", "nodejs26.x", "python3.15", "java8.al2023",
	"java11.al2023", "java17.al2023",
}

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
		// "Value '[invalidruntime]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: […]" is
		// a ValidationException, and so is that of the filter of lists (test_layer_exceptions).
		values: map[string][]string{"CompatibleRuntimes": runtimes, "CompatibleRuntime": runtimes},
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
