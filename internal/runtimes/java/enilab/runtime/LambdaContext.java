package enilab.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a handler can learn about its invocation: the headers of the event, and the environment. */
final class LambdaContext implements Context {
    private final Map<String, String> headers;
    private final Log log;

    LambdaContext(Map<String, String> headers, Log log) {
        this.headers = headers;
        this.log = log;
    }

    @Override
    public String getAwsRequestId() {
        return headers.get("Lambda-Runtime-Aws-Request-Id");
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return headers.get("Lambda-Runtime-Invoked-Function-Arn");
    }

    @Override
    public int getRemainingTimeInMillis() {
        long left = Long.parseLong(headers.get("Lambda-Runtime-Deadline-Ms")) - System.currentTimeMillis();
        return (int) Math.max(0, left);
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return log;
    }

    @Override
    public String getTenantId() {
        return headers.get("Lambda-Runtime-Aws-Tenant-Id");
    }

    @Override
    public String getXrayTraceId() {
        return headers.get("Lambda-Runtime-Trace-Id");
    }

    private Map<?, ?> object(String header) {
        String text = headers.get(header);
        return text == null || text.isEmpty() ? null : (Map<?, ?>) Json.parse(text);
    }

    private static String text(Map<?, ?> of, String name) {
        return of == null || of.get(name) == null ? null : of.get(name).toString();
    }

    private static Map<String, String> texts(Object of) {
        if (!(of instanceof Map)) return null;
        Map<String, String> texts = new LinkedHashMap<>();
        ((Map<?, ?>) of).forEach((k, v) -> texts.put((String) k, v == null ? null : v.toString()));
        return texts;
    }

    @Override
    public CognitoIdentity getIdentity() {
        Map<?, ?> identity = object("Lambda-Runtime-Cognito-Identity");
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(identity, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(identity, "cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public ClientContext getClientContext() {
        Map<?, ?> context = object("Lambda-Runtime-Client-Context");
        if (context == null) return null;
        return new ClientContext() {
            @Override
            public Client getClient() {
                return context.get("client") instanceof Map ? client((Map<?, ?>) context.get("client")) : null;
            }

            @Override
            public Map<String, String> getCustom() {
                return texts(context.get("custom"));
            }

            @Override
            public Map<String, String> getEnvironment() {
                return texts(context.get("env"));
            }
        };
    }

    private static Client client(Map<?, ?> of) {
        return new Client() {
            @Override
            public String getInstallationId() {
                return text(of, "installation_id");
            }

            @Override
            public String getAppTitle() {
                return text(of, "app_title");
            }

            @Override
            public String getAppVersionName() {
                return text(of, "app_version_name");
            }

            @Override
            public String getAppVersionCode() {
                return text(of, "app_version_code");
            }

            @Override
            public String getAppPackageName() {
                return text(of, "app_package_name");
            }
        };
    }
}
