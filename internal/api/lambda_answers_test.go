package api

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestAnswersAsRecorded holds that answers have the status and the members that LocalStack recorded of Lambda, no fewer and no
// more: tests/aws/services/lambda_/test_lambda_api.snapshot.json, test_function_lifecycle, test_version_lifecycle,
// test_publish_with_update, test_list_functions, test_alias_lifecycle, test_layer_lifecycle and others.
func TestAnswersAsRecorded(t *testing.T) {
	f := newFunctions(t)
	const (
		listed   = "Architectures CodeSha256 CodeSize Description EphemeralStorage FunctionArn FunctionName Handler LastModified LoggingConfig MemorySize PackageType RevisionId Role Runtime SnapStart Timeout TracingConfig Version"
		function = listed + " RuntimeVersionConfig State"
		created  = function + " StateReason StateReasonCode"
		updated  = function + " LastUpdateStatus LastUpdateStatusReason LastUpdateStatusReasonCode"
		settled  = function + " LastUpdateStatus"
		alias    = "AliasArn Description FunctionVersion Name RevisionId"
		event    = "DestinationConfig FunctionArn LastModified MaximumRetryAttempts"
		layer    = "CompatibleArchitectures CompatibleRuntimes CreatedDate Description LayerVersionArn LicenseInfo Version"
		path     = "/2015-03-31/functions"
	)
	zip := base64.StdEncoding.EncodeToString(script(t, echo))
	for _, c := range []struct {
		method, path, body string
		status             int
		members            string // of the answer, or of what within says
		within             string // members and indexes, such as Functions.0
	}{
		{"POST", path, `{"FunctionName":"f","Role":"` + f.role + `","Runtime":"provided.al2023","Handler":"function.handler","Code":{"ZipFile":"` + zip + `"}}`, 201, created, ""},
		{"active", "f", "", 0, "", ""},
		{"GET", path + "/f", "", 200, "Code Configuration", ""},
		{"GET", path + "/f", "", 200, "Location RepositoryType", "Code"},
		{"GET", path + "/f", "", 200, settled, "Configuration"},
		{"GET", path + "/f/configuration", "", 200, settled, ""},
		{"PUT", path + "/f/configuration", `{"Environment":{"Variables":{}}}`, 200, updated + " Environment", ""},
		{"updated", "f", "", 0, "", ""},
		{"PUT", path + "/f/configuration", `{"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]}}`, 200, "Ipv6AllowedForDualStack SecurityGroupIds SubnetIds VpcId", "VpcConfig"},
		{"updated", "f", "", 0, "", ""},
		{"PUT", path + "/f/code", `{"ZipFile":"` + zip + `"}`, 200, updated + " Environment VpcConfig", ""},
		{"updated", "f", "", 0, "", ""},
		{"POST", path + "/f/versions", "{}", 201, settled + " Environment VpcConfig", ""},
		{"GET", path, "", 200, "Functions", ""},
		{"GET", path, "", 200, listed + " Environment VpcConfig", "Functions.0"},
		{"GET", path + "/f/versions", "", 200, listed + " Environment VpcConfig", "Versions.1"},
		{"PUT", path + "/f/code", `{"ZipFile":"` + base64.StdEncoding.EncodeToString(script(t, "handler() { REPLY=1; }")) + `","Publish":true}`, 200, created + " Environment VpcConfig", ""},
		{"updated", "f", "", 0, "", ""},
		{"POST", path + "/f/aliases", `{"Name":"live","FunctionVersion":"1"}`, 201, alias, ""},
		{"PUT", path + "/f/aliases/live", `{"RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}`, 200, alias + " RoutingConfig", ""},
		{"GET", path + "/f/aliases/live", "", 200, alias + " RoutingConfig", ""},
		{"GET", path + "/f/aliases", "", 200, "Aliases", ""},
		{"POST", path + "/f/policy", `{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"}`, 201, "Statement", ""},
		{"GET", path + "/f/policy", "", 200, "Policy RevisionId", ""},
		{"DELETE", path + "/f/policy/s", "", 204, "", ""},
		{"GET", "/2019-09-30/functions/f/concurrency", "", 200, "", ""},
		{"PUT", "/2017-10-31/functions/f/concurrency", `{"ReservedConcurrentExecutions":1}`, 200, "ReservedConcurrentExecutions", ""},
		{"GET", "/2019-09-30/functions/f/concurrency", "", 200, "ReservedConcurrentExecutions", ""},
		{"GET", path + "/f", "", 200, "Code Concurrency Configuration", ""},
		{"DELETE", "/2017-10-31/functions/f/concurrency", "", 204, "", ""},
		{"PUT", "/2019-09-25/functions/f/event-invoke-config", `{"MaximumRetryAttempts":1}`, 200, event, ""},
		{"POST", "/2019-09-25/functions/f/event-invoke-config", `{"MaximumEventAgeInSeconds":60}`, 200, event + " MaximumEventAgeInSeconds", ""},
		{"GET", "/2019-09-25/functions/f/event-invoke-config", "", 200, event + " MaximumEventAgeInSeconds", ""},
		{"GET", "/2019-09-25/functions/f/event-invoke-config", "", 200, "OnFailure OnSuccess", "DestinationConfig"},
		{"GET", "/2019-09-25/functions/f/event-invoke-config/list", "", 200, event + " MaximumEventAgeInSeconds", "FunctionEventInvokeConfigs.0"},
		{"DELETE", "/2019-09-25/functions/f/event-invoke-config", "", 204, "", ""},
		{"POST", "/2018-10-31/layers/l/versions", `{"Content":{"ZipFile":"` + zip + `"},"LicenseInfo":"MIT","CompatibleRuntimes":["python3.12"],"CompatibleArchitectures":["x86_64"]}`, 201, layer + " Content LayerArn", ""},
		{"GET", "/2018-10-31/layers/l/versions/1", "", 200, layer + " Content LayerArn", ""},
		{"GET", "/2018-10-31/layers/l/versions/1", "", 200, "CodeSha256 CodeSize Location", "Content"},
		{"GET", "/2018-10-31/layers?find=LayerVersion&Arn=arn:aws:lambda:us-east-1:123456789012:layer:l:1", "", 200, layer + " Content LayerArn", ""},
		{"GET", "/2018-10-31/layers/l/versions", "", 200, layer, "LayerVersions.0"},
		{"GET", "/2018-10-31/layers", "", 200, "LatestMatchingVersion LayerArn LayerName", "Layers.0"},
		{"DELETE", "/2018-10-31/layers/l/versions/1", "", 204, "", ""},
		{"GET", "/2018-10-31/layers/l/versions", "", 200, "LayerVersions", ""},
		{"GET", "/2016-08-19/account-settings", "", 200, "CodeSizeUnzipped CodeSizeZipped ConcurrentExecutions TotalCodeSize UnreservedConcurrentExecutions", "AccountLimit"},
		{"GET", "/2016-08-19/account-settings", "", 200, "FunctionCount TotalCodeSize", "AccountUsage"},
		{"POST", "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:f", `{"Tags":{"a":"b"}}`, 204, "", ""},
		{"GET", "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:f", "", 200, "Tags", ""},
		{"GET", path + "/f", "", 200, "Code Configuration Tags", ""},
		{"DELETE", "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:f?tagKeys=a", "", 204, "", ""},
		{"GET", "/2020-06-30/functions/f/code-signing-config", "", 200, "CodeSigningConfigArn FunctionName", ""},
		{"GET", "/2024-08-31/functions/f/recursion-config", "", 200, "RecursiveLoop", ""},
		{"DELETE", path + "/f/aliases/live", "", 204, "", ""},
		{"DELETE", path + "/f?Qualifier=1", "", 204, "", ""},
		{"DELETE", path + "/f", "", 204, "", ""},
	} {
		switch c.method {
		case "active":
			f.active(c.path)
			continue
		case "updated":
			f.updated(c.path)
			continue
		}
		res, text := f.raw(c.method, c.path, c.body)
		var answer any = map[string]any{}
		if text != "" {
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Errorf("%s %s answers %q: %v", c.method, c.path, text, err)
				continue
			}
		}
		for part := range strings.FieldsFuncSeq(c.within, func(r rune) bool { return r == '.' }) {
			switch v := answer.(type) {
			case map[string]any:
				answer = v[part]
			case []any:
				answer = nil
				if i := int(part[0] - '0'); i < len(v) {
					answer = v[i]
				}
			}
		}
		members, _ := answer.(map[string]any)
		want := strings.Fields(c.members)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(members)); res.StatusCode != c.status || !slices.Equal(got, want) {
			t.Errorf("%s %s %s: %d\ngot  %v\nwant %d %v\n%s", c.method, c.path, c.within, res.StatusCode, got, c.status, want, text)
		}
	}
}
