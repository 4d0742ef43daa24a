package enilab.runtime;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * The Runtime API's client, over one connection. The JDK's own clients cost more to load than all the rest of this runtime,
 * and one of them gives up on next after a while.
 */
final class RuntimeApi {
    private final String host;
    private final int port;
    private Socket socket;
    private InputStream in;

    /** What the Runtime API answered. */
    static final class Answer {
        final int status;
        final Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        byte[] body;

        Answer(int status) {
            this.status = status;
        }
    }

    RuntimeApi(String address) {
        int colon = address.lastIndexOf(':');
        host = colon < 0 ? address : address.substring(0, colon);
        port = colon < 0 ? 80 : Integer.parseInt(address.substring(colon + 1));
    }

    Answer next() throws IOException {
        Answer a = call("GET", "invocation/next", new byte[0], null, null);
        if (a.status != 200) throw new IOException("the Runtime API answers next with " + a.status);
        return a;
    }

    void respond(String requestId, byte[] body) throws IOException {
        call("POST", "invocation/" + requestId + "/response", body, "application/json", null);
    }

    void report(String route, Fault f, String errorType) throws IOException {
        call("POST", route, f.payload().getBytes(StandardCharsets.UTF_8), "application/json", errorType);
    }

    private Answer call(String method, String route, byte[] body, String contentType, String errorType) throws IOException {
        if (socket == null) {
            socket = new Socket();
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(host, port));
            in = new BufferedInputStream(socket.getInputStream());
        }
        StringBuilder head = new StringBuilder().append(method).append(" /2018-06-01/runtime/").append(route).append(" HTTP/1.1\r\n");
        head.append("Host: ").append(host).append(':').append(port).append("\r\nUser-Agent: enilab-java\r\n");
        head.append("Content-Length: ").append(body.length).append("\r\n");
        if (contentType != null) head.append("Content-Type: ").append(contentType).append("\r\n");
        if (errorType != null) head.append("Lambda-Runtime-Function-Error-Type: ").append(errorType).append("\r\n");
        ByteArrayOutputStream request = new ByteArrayOutputStream(head.length() + 2 + body.length);
        request.write(head.append("\r\n").toString().getBytes(StandardCharsets.US_ASCII));
        request.write(body);
        OutputStream out = socket.getOutputStream();
        request.writeTo(out);
        Answer a = read();
        if ("close".equalsIgnoreCase(a.headers.get("Connection"))) {
            socket.close();
            socket = null;
        }
        return a;
    }

    private Answer read() throws IOException {
        Answer a = new Answer(Integer.parseInt(line().split(" ")[1]));
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            a.headers.put(line.substring(0, colon), line.substring(colon + 1).trim());
        }
        if ("chunked".equalsIgnoreCase(a.headers.get("Transfer-Encoding"))) { // of a proxy that an extension puts between
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            for (int size; (size = Integer.parseInt(line().split(";")[0].trim(), 16)) > 0; line()) all.write(bytes(size));
            while (!line().isEmpty()) { // trailers
            }
            a.body = all.toByteArray();
        } else {
            a.body = bytes(Integer.parseInt(a.headers.getOrDefault("Content-Length", "0")));
        }
        return a;
    }

    private byte[] bytes(int count) throws IOException {
        byte[] b = in.readNBytes(count);
        if (b.length < count) throw new EOFException("the Runtime API's answer ends early");
        return b;
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(80);
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0) throw new EOFException("the Runtime API has closed the connection");
            if (c != '\r') line.write(c);
        }
        return line.toString(StandardCharsets.ISO_8859_1);
    }
}
