/** Runs in its own process: loads a bundle as Lambda's runtime does, and calls its handler once for each message. */
const { handler } = await import(process.argv[2]);
process.on('message', async ({ event, remainingMs }) => {
  const end = Date.now() + remainingMs;
  const context = {
    awsRequestId: 'test',
    functionName: 'test',
    functionVersion: '1',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:test',
    memoryLimitInMB: '1024',
    getRemainingTimeInMillis: () => end - Date.now(),
  };
  try {
    process.send({ result: (await handler(event, context)) ?? null });
  } catch (error) {
    process.send({ error: error.message });
  }
});
process.send({ ready: true });
