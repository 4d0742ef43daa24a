package com.amazonaws.services.lambda.runtime;

/** Who invoked the function through AWS's mobile SDK. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
