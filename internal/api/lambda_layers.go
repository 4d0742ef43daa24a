package api

import (
	"context"
	"slices"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	api "enilab/internal/wire/lambdaapi"
)

func registerLayers(s *wire.Server, l lambdaAPI) {
	handle(s, api.PublishLayerVersion, l.publishLayerVersion)
	handle(s, api.GetLayerVersion, l.getLayerVersion)
	handle(s, api.GetLayerVersionByArn, l.getLayerVersionByARN)
	handle(s, api.ListLayers, l.listLayers)
	handle(s, api.ListLayerVersions, l.listLayerVersions)
	handle(s, api.DeleteLayerVersion, l.deleteLayerVersion)
}

func (l lambdaAPI) publishLayerVersion(ctx context.Context, in *api.PublishLayerVersionRequest) (*api.PublishLayerVersionResponse, error) {
	key, err := storeKey(in.Content.S3Bucket, in.Content.S3Key)
	if err != nil {
		return nil, err
	}
	v, err := l.PublishLayerVersion(lambda.PublishLayerVersionInput{
		LayerName: *in.LayerName, ZipFile: in.Content.ZipFile, StoreKey: key, Description: given(in.Description), LicenseInfo: given(in.LicenseInfo),
		CompatibleRuntimes: in.CompatibleRuntimes, CompatibleArchitectures: in.CompatibleArchitectures,
	})
	if err != nil {
		return nil, err
	}
	out := api.PublishLayerVersionResponse(*l.layerVersion(ctx, v))
	return &out, nil
}

// layerVersion is a layer version as the wire shows it.
func (l lambdaAPI) layerVersion(ctx context.Context, v lambda.LayerVersion) *api.GetLayerVersionResponse {
	return &api.GetLayerVersionResponse{
		Content:  &api.LayerVersionContentOutput{CodeSha256: &v.CodeSha256, CodeSize: &v.CodeSize, Location: l.location(ctx, layerName(v))},
		LayerArn: &v.LayerARN, LayerVersionArn: &v.ARN, Version: &v.Version, Description: &v.Description, LicenseInfo: set(v.LicenseInfo),
		CreatedDate: new(v.Created.UTC().Format(lastModified)), CompatibleRuntimes: v.CompatibleRuntimes, CompatibleArchitectures: v.CompatibleArchitectures,
	}
}

func (l lambdaAPI) getLayerVersion(ctx context.Context, in *api.GetLayerVersionRequest) (*api.GetLayerVersionResponse, error) {
	v, err := l.GetLayerVersion(*in.LayerName, *in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return l.layerVersion(ctx, v), nil
}

func (l lambdaAPI) getLayerVersionByARN(ctx context.Context, in *api.GetLayerVersionByArnRequest) (*api.GetLayerVersionResponse, error) {
	v, err := l.GetLayerVersionByARN(*in.Arn)
	if err != nil {
		return nil, err
	}
	return l.layerVersion(ctx, v), nil
}

func (l lambdaAPI) deleteLayerVersion(_ context.Context, in *api.DeleteLayerVersionRequest) (*wire.None, error) {
	return nil, l.DeleteLayerVersion(*in.LayerName, *in.VersionNumber)
}

// listedLayer is a layer version in a list.
func listedLayer(v lambda.LayerVersion) api.LayerVersionsListItem {
	return api.LayerVersionsListItem{
		LayerVersionArn: &v.ARN, Version: &v.Version, Description: &v.Description, LicenseInfo: set(v.LicenseInfo),
		CreatedDate: new(v.Created.UTC().Format(lastModified)), CompatibleRuntimes: v.CompatibleRuntimes, CompatibleArchitectures: v.CompatibleArchitectures,
	}
}

// fits tells whether a layer version is said to be for a runtime and an architecture; nil: for any.
func fits(v lambda.LayerVersion, runtime, architecture *string) bool {
	return (runtime == nil || slices.Contains(v.CompatibleRuntimes, *runtime)) &&
		(architecture == nil || slices.Contains(v.CompatibleArchitectures, *architecture))
}

func (l lambdaAPI) listLayerVersions(_ context.Context, in *api.ListLayerVersionsRequest) (*api.ListLayerVersionsResponse, error) {
	items := []api.LayerVersionsListItem{}
	for _, v := range l.ListLayerVersions(*in.LayerName) {
		if fits(v, in.CompatibleRuntime, in.CompatibleArchitecture) {
			items = append(items, listedLayer(v))
		}
	}
	key := func(v api.LayerVersionsListItem) string { return descending(*v.Version) }
	items, next, err := pageOf("ListLayerVersions", items, key, in.Marker, in.MaxItems)
	return &api.ListLayerVersionsResponse{LayerVersions: items, NextMarker: next}, err
}

// listLayers lists each layer with its latest version that fits.
func (l lambdaAPI) listLayers(_ context.Context, in *api.ListLayersRequest) (*api.ListLayersResponse, error) {
	items := []api.LayersListItem{}
	for _, layer := range l.ListLayers() {
		for _, v := range l.ListLayerVersions(layer.LayerName) {
			if fits(v, in.CompatibleRuntime, in.CompatibleArchitecture) {
				items = append(items, api.LayersListItem{LayerName: &v.LayerName, LayerArn: &v.LayerARN, LatestMatchingVersion: new(listedLayer(v))})
				break
			}
		}
	}
	key := func(l api.LayersListItem) string { return *l.LayerName }
	items, next, err := pageOf("ListLayers", items, key, in.Marker, in.MaxItems)
	return &api.ListLayersResponse{Layers: items, NextMarker: next}, err
}
