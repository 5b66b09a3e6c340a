export async function provideNavigatorGpu(adapter: string | undefined): Promise<void> { void adapter; throw new Error('later'); }
