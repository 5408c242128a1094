// The benchmark's module: the whole datapath, and drivers that run one part of it many times in a
// call, so that neither the call nor JavaScript is measured. The shipped module has none of them.
export * from '../../assembly/index';
export { addConns, dropSpares, enterSpares, makeSpares, writeKeys } from './conns';
export { hashStream, lookUpStream } from './lookups';
export { fillRing, parseRing, prepareRing, trackFlags, trackRing, translateRing } from './packets';
