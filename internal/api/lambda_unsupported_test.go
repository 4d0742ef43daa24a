package api

import (
	"slices"
	"strings"
	"testing"
)

// TestUnsupportedMembersAreRefused asks for each of them once.
func TestUnsupportedMembersAreRefused(t *testing.T) {
	f := newFunctions(t)
	f.create("f")
	const functions, config = "/2015-03-31/functions", "/2019-09-25/functions/f/event-invoke-config"
	create := func(members string) string {
		return `{"FunctionName":"g","Role":"` + f.role + `","Code":{"S3Bucket":"bucket","S3Key":"k"},"Runtime":"provided.al2023","Handler":"h",` + members + `}`
	}
	code := func(members string) string {
		return strings.Replace(create(`"Publish":false`), `"S3Key":"k"`, `"S3Key":"k",`+members, 1)
	}
	const arn = "arn:aws:lambda:us-east-1:123456789012:"
	tried := []string{}
	for _, c := range []struct {
		member, method, path, body string
		header                     []string
	}{
		{member: "CapacityProviderConfig", body: create(`"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{"CapacityProviderArn":"` + arn + `capacity-provider:p"}}`)},
		{member: "CodeSigningConfigArn", body: create(`"CodeSigningConfigArn":"` + arn + `code-signing-config:csc-0123456789abcdef0"`)},
		{member: "DeadLetterConfig", body: create(`"DeadLetterConfig":{"TargetArn":"arn:aws:sqs:us-east-1:123456789012:dead"}`)},
		{member: "DestinationConfig", method: "PUT", path: config, body: `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:us-east-1:123456789012:dead"}}}`},
		{member: "DurableConfig", body: create(`"DurableConfig":{"ExecutionTimeout":60}`)},
		{member: "DurableExecutionName", path: functions + "/f/invocations", body: "{}", header: []string{"X-Amz-Durable-Execution-Name", "run-1"}},
		{member: "FileSystemConfigs", body: create(`"FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0","LocalMountPath":"/mnt/x"}]`)},
		{member: "ImageConfig", body: create(`"ImageConfig":{"Command":["x"]}`)},
		{member: "ImageUri", body: code(`"ImageUri":"123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"`)},
		{member: "KMSKeyArn", body: create(`"KMSKeyArn":"arn:aws:kms:us-east-1:123456789012:key/x"`)},
		{member: "PublishTo", body: create(`"Publish":true,"PublishTo":"LATEST_PUBLISHED"`)},
		{member: "S3ObjectStorageMode", body: code(`"S3ObjectStorageMode":"REFERENCE"`)},
		{member: "S3ObjectVersion", body: code(`"S3ObjectVersion":"1"`)},
		{member: "SnapStart", body: create(`"SnapStart":{"ApplyOn":"PublishedVersions"}`)},
		{member: "SourceKMSKeyArn", body: code(`"SourceKMSKeyArn":"arn:aws:kms:us-east-1:123456789012:key/x"`)},
		{member: "TenancyConfig", body: create(`"TenancyConfig":{"TenantIsolationMode":"PER_TENANT"}`)},
		{member: "TenantId", path: functions + "/f/invocations", body: "{}", header: []string{"X-Amz-Tenant-Id", "blue"}},
	} {
		tried = append(tried, c.member)
		if c.method == "" {
			c.method = "POST"
		}
		if c.path == "" {
			c.path = functions
		}
		res, text := f.raw(c.method, c.path, c.body, c.header...)
		if res.StatusCode != 400 || res.Header.Get("X-Amzn-ErrorType") != invalid || !strings.Contains(text, c.member) {
			t.Errorf("%s: %s", c.member, text)
		}
	}
	slices.Sort(tried)
	if want := slices.Sorted(slices.Values(unsupportedMembers)); !slices.Equal(tried, want) {
		t.Errorf("tried are %v, unsupported %v", tried, want)
	}
	if res, text := f.raw("GET", functions+"/g", ""); res.StatusCode != 404 {
		t.Errorf("a function was made all the same: %s", text)
	}
}
