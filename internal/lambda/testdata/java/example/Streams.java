package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;

public class Streams implements RequestStreamHandler {
    @Override
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        out.write(("{\"raw\":" + new String(in.readAllBytes(), "UTF-8") + "}").getBytes("UTF-8"));
    }

    public void copy(InputStream in, OutputStream out) throws IOException {
        in.transferTo(out);
    }

    public Object context(Map<String, Object> event, Context c) {
        return new Object[] {
            event.get("n"), c.getFunctionName().equals(System.getenv("AWS_LAMBDA_FUNCTION_NAME")), c.getFunctionVersion(), c.getMemoryLimitInMB(),
            c.getInvokedFunctionArn().endsWith(":function:" + c.getFunctionName()), c.getAwsRequestId().length(),
            c.getRemainingTimeInMillis() > 1000 && c.getRemainingTimeInMillis() <= 60000, c.getIdentity().getIdentityId(), c.getClientContext(),
        };
    }

    public String log(String event, Context c) {
        c.getLogger().log("logged " + event);
        c.getLogger().log((String) null);
        c.getLogger().log("an error", com.amazonaws.services.lambda.runtime.logging.LogLevel.ERROR);
        System.out.println("printed ü");
        System.err.println("complained");
        return event;
    }
}
