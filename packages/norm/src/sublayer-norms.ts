import { type Norm, type ResidualSite } from '@ashlar/nn';

/** A norm for each sublayer of a layer. */
export const sublayerNorms = (site: ResidualSite): readonly Norm[] => Array.from({ length: site.sublayers }, () => site.norm());
